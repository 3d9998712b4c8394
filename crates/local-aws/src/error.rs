//! Errors on start.

use std::{io, path::PathBuf};

use crate::{dynamodb::DynamoDbError, s3::BucketError, template::TemplateError};

/// Why a stack cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process listens on the port.
    #[error(
        "port {port} is in use: stop the process that listens there, or choose another with {option}"
    )]
    PortInUse {
        /// The port.
        port: u16,
        /// The option's name, from [`OptionNames`](crate::OptionNames).
        option: &'static str,
    },
    /// The operating system refuses the port for another reason.
    #[error("cannot listen on port {port}: {source}; choose another with {option}")]
    Listen {
        /// The port.
        port: u16,
        /// The error of the operating system.
        source: io::Error,
        /// The option's name, from [`OptionNames`](crate::OptionNames).
        option: &'static str,
    },
    /// A folder cannot be created or opened.
    #[error("the folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another stack uses the data folder.
    #[error(
        "the folder {} is in use by another local stack{}; stop that stack, or choose another \
         folder with {option}",
        path.display(),
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    FolderInUse {
        /// The folder.
        path: PathBuf,
        /// The id of the other stack's process, where the lock file names it.
        process: Option<u32>,
        /// The option's name, from [`OptionNames`](crate::OptionNames).
        option: &'static str,
    },
    /// An executable is missing.
    #[error(
        "the function '{function}' has no executable at {}; build it with `cargo build --bin \
         {function}`, or name its folder with {option}",
        path.display()
    )]
    NoExecutable {
        /// The name of the function's executable.
        function: String,
        /// The expected path.
        path: PathBuf,
        /// The option's name, from [`OptionNames`](crate::OptionNames).
        option: &'static str,
    },
    /// The template has an error, or uses what the stack does not support.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A table cannot be created.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// A bucket's folder cannot be created.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}
