//! What can go wrong, as clients are told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a client's message was not done. The codes are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not a JSON object.
    InvalidJson,
    /// A field is missing, or of the wrong type.
    InvalidMessage,
    /// There is no message with that `type`.
    UnknownType,
    /// There is no such job. Only told to whoever could have known.
    JobNotFound,
    /// The access key is missing or wrong, or there is no such job.
    Forbidden,
    /// The job has ended; there is nothing to cancel.
    JobAlreadyFinished,
    /// The connection watches as many jobs as it may.
    TooManySubscriptions,
    /// The message is larger than any valid one.
    MessageTooLarge,
    /// The fault is ours.
    Internal,
}

/// A field of the message that the error is about, and the like.
pub type ErrorDetails = Value;

/// Why a client's message was not done, in words.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("{message}")]
pub struct ProtocolError {
    /// The code.
    pub code: ErrorCode,
    /// What is wrong and the way out, for a person.
    pub message: String,
    /// Where it helps: the field, the limit.
    pub details: Option<ErrorDetails>,
}

impl ProtocolError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
        }
    }

    /// The same error with details.
    #[must_use]
    pub fn with_details(mut self, details: ErrorDetails) -> Self {
        self.details = Some(details);
        self
    }
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobError {
    /// A word that programs can look at, `not_an_image`. Stages name their own; Stagecast's are
    /// `internal`, `stage_panicked` and `too_many_attempts`.
    pub code: String,
    /// What went wrong and the way out, for a person.
    pub message: String,
}
