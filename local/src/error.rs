//! Why a stack does not start.

use std::{io, path::PathBuf};

use crate::{dynamodb::DynamoDbError, s3::BucketError, template::TemplateError};

/// Why a stack does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken.
    #[error("port {port} is in use: stop what listens there, or take another with --port")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be listened on.
    #[error("port {port} cannot be listened on: {source}; take another with --port")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// A folder cannot be made.
    #[error("the folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another stack uses the folder.
    #[error(
        "the folder {} is in use by another local stack{}; stop that one, or give another folder \
         with --data-dir",
        path.display(),
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    FolderInUse {
        /// The folder.
        path: PathBuf,
        /// The id of the other stack's process, if it is known.
        process: Option<u32>,
    },
    /// An executable is missing.
    #[error(
        "the function '{function}' has no executable at {}; build it with `cargo build -p \
         {function} --bins`, or say where it is with --bin-dir",
        path.display()
    )]
    NoExecutable {
        /// The function.
        function: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// The template cannot be run.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The tables cannot be made.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// The buckets cannot be made.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}
