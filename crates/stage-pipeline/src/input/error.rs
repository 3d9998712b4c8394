//! Why the input of a job cannot be read.

use std::{io, path::PathBuf};

/// Why the input of a job cannot be read.
///
/// With `?` it becomes a [`StageError`](crate::StageError). A [`reader`](crate::JobInput::reader) returns it
/// within an [`io::Error`], which becomes a `StageError` as well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The source failed, also after retries. A later run may succeed.
    #[error("the input could not be read: {cause}")]
    Unavailable {
        /// The last error of the source.
        cause: String,
    },
    /// The source has no such input.
    #[error("the input does not exist: {cause}")]
    NotFound {
        /// The error of the source.
        cause: String,
    },
    /// The source has other data than at the first read, so a stage could mix both.
    #[error(
        "the input was replaced after the job had started to read it: create a new job for the new data"
    )]
    Replaced,
    /// The input, or the requested range, is larger than the limit of a method that returns all of it.
    #[error(
        "{size} bytes of input were requested at once, and the limit is {limit}: read the input with \
         `reader()` or `file()`, or pass a higher limit to `bytes_up_to()`"
    )]
    TooLarge {
        /// The requested bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The requested range is not within the input.
    #[error(
        "the range {start}..{end} is not within the input, which has {size} bytes: \
         compare it with `size()` first"
    )]
    OutOfRange {
        /// The first byte of the range.
        start: u64,
        /// The byte after the range.
        end: u64,
        /// The size of the input, in bytes.
        size: u64,
    },
    /// The temporary directory has no room for the input.
    #[error("the input of {size} bytes does not fit into {}: {remedy}", directory.display())]
    NoRoom {
        /// The size of the input, in bytes.
        size: u64,
        /// The temporary directory.
        directory: PathBuf,
        /// What to do about it.
        remedy: String,
    },
    /// The file of the input cannot be created, opened, read or written.
    #[error("the file {} of the input cannot be used: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: String,
    },
    /// The job's parameters are not of the type that the stage expects.
    #[error("the parameters of the job cannot be read: {cause}")]
    Parameters {
        /// The error of the deserializer.
        cause: String,
    },
}

impl InputError {
    /// Whether a later run of the stage may succeed: the cause is neither the stage nor the input.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::NotFound { .. })
    }

    /// Whether the next attempt, moments later, may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// A code for programs: letters and `_`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "input_unavailable",
            Self::NotFound { .. } => "input_not_found",
            Self::Replaced => "input_replaced",
            Self::TooLarge { .. } => "input_too_large_for_memory",
            Self::OutOfRange { .. } => "input_range_invalid",
            Self::NoRoom { .. } => "input_too_large_for_storage",
            Self::File { .. } => "input_file_failed",
            Self::Parameters { .. } => "invalid_parameters",
        }
    }

    pub(super) fn unavailable(cause: &impl ToString) -> Self {
        Self::Unavailable {
            cause: cause.to_string(),
        }
    }
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        let kind = match error {
            InputError::NotFound { .. } => io::ErrorKind::NotFound,
            InputError::OutOfRange { .. } => io::ErrorKind::InvalidInput,
            InputError::NoRoom { .. } => io::ErrorKind::StorageFull,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
