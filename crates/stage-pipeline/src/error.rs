//! How a stage, and a run, can fail.

use std::{io, time::Duration};

use crate::{cancelled::Cancelled, input::InputError};

/// Why a stage did not finish, as its author says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The job cannot be completed.
    #[error("{message} ({code})")]
    Failed {
        /// A code for programs, such as `no_header`: letters, digits, `_` and `-`. A service may
        /// shorten a long code and replace other characters.
        code: String,
        /// What went wrong and how to fix it, for people. A service may shorten a long message.
        message: String,
    },
    /// The attempt failed, and another one may succeed: [`Stage::RETRY`](crate::Stage::RETRY) says how many
    /// follow. After the last one, the job cannot be completed, and fails with this code and message.
    #[error("{message} ({code})")]
    Temporary {
        /// A code for programs, as of [`Self::Failed`].
        code: String,
        /// What went wrong, for people.
        message: String,
    },
    /// The stage has stopped because the job was cancelled: [`Progress::check_cancelled`].
    ///
    /// [`Progress::check_cancelled`]: crate::Progress::check_cancelled
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The job's input could not be read.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// An error of a [reader](crate::JobInput::reader) becomes [`StageError::Input`]; any other error, such as
/// that of a file, [`StageError::Failed`] with the code `io_error`.
impl From<io::Error> for StageError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<InputError>() {
            Ok(error) => Self::Input(error),
            Err(error) => Self::failed("io_error", error.to_string()),
        }
    }
}

impl StageError {
    /// A failure with a code for programs and a message for people.
    ///
    /// ```
    /// # use stage_pipeline::StageError;
    /// let error = StageError::failed("no_header", "the first line must name the columns");
    /// assert_eq!(error.to_string(), "the first line must name the columns (no_header)");
    /// ```
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
        }
    }

    /// A failure after which another attempt may succeed, with a code for programs and a message for people.
    pub fn temporary(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Temporary {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// Why a stage did not finish, as the run sees it. The stage was not cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StageFailure {
    /// The stage returned [`StageError::Failed`].
    #[error("{message} ({code})")]
    Failed {
        /// The code for programs.
        code: String,
        /// The message for people.
        message: String,
    },
    /// The stage returned [`StageError::Temporary`].
    #[error("{message} ({code})")]
    Temporary {
        /// The code for programs.
        code: String,
        /// The message for people.
        message: String,
    },
    /// The job's input could not be read. If the error [is retryable](InputError::is_retryable), a later
    /// run may succeed; then the stage may have returned another error because of it.
    #[error(transparent)]
    Input(InputError),
    /// The stage panicked.
    #[error("it panicked{}", .message.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
    Panicked {
        /// The panic's message, if it is a text.
        message: Option<String>,
    },
    /// The stage took longer than its [`TIME_LIMIT`](crate::Stage::TIME_LIMIT), and was stopped.
    #[error("it took longer than its time limit of {} s", .limit.as_secs_f64())]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// The stage returned [`StageError::Cancelled`], although the run was not cancelled.
    #[error("it stopped as if it had been cancelled, but it was not")]
    NotCancelled,
    /// The stage's input, which is the checkpoint before it, cannot be read. The stage that wrote the
    /// checkpoint may have been of another version.
    #[error("its input, the checkpoint before it, cannot be read: {cause}")]
    UnreadableInput {
        /// The error of the deserializer.
        cause: String,
    },
    /// The stage's output cannot be written as JSON, or is nested too deep for most readers.
    #[error("its results cannot be written: {cause}")]
    UnwritableResults {
        /// The error of the serializer, or the depth and its limit.
        cause: String,
    },
}

impl StageFailure {
    /// Whether another attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary { .. } | Self::TimedOut { .. })
    }
}

impl From<StageError> for StageFailure {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Failed { code, message } => Self::Failed { code, message },
            StageError::Temporary { code, message } => Self::Temporary { code, message },
            StageError::Cancelled(Cancelled) => Self::NotCancelled,
            StageError::Input(error) => Self::Input(error),
        }
    }
}

/// Why a [run](crate::Run) has no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A stage failed.
    #[error("{stage} failed: {failure}")]
    Failed {
        /// The stage's name.
        stage: &'static str,
        /// The reason.
        failure: StageFailure,
    },
    /// The run's [token](crate::CancellationToken) was cancelled.
    #[error("the job was cancelled during {stage}")]
    Cancelled {
        /// The name of the stage that was running, or had just ended.
        stage: &'static str,
    },
    /// The operating system could not start a thread for a stage.
    #[error("no thread could be started for {stage}: {cause}")]
    Thread {
        /// The stage's name.
        stage: &'static str,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The operating system could not start the threads of a tokio runtime.
    #[error("no runtime could be started: {0}")]
    Runtime(#[from] io::Error),
    /// The results of the last stage cannot be read as its output: the `Serialize` and `Deserialize`
    /// of this type do not fit together.
    #[error("the pipeline's output cannot be read: {0}")]
    UnreadableOutput(serde_json::Error),
}
