//! The errors of the WebSocket API and of jobs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::{MAX_NAME_BYTES, MAX_TEXT_BYTES, truncate_with_ellipsis};

/// Why a client's message was rejected. The codes are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not a JSON object.
    InvalidJson,
    /// A field is missing, or of the wrong type.
    InvalidMessage,
    /// The message's `type` does not exist.
    UnknownType,
    /// The job does not exist. Sent only to clients that are authorized for the job.
    JobNotFound,
    /// The access key is missing or wrong, or the job does not exist.
    Forbidden,
    /// The job has already ended, so it cannot be cancelled.
    JobAlreadyFinished,
    /// The connection has reached its maximum number of subscriptions.
    TooManySubscriptions,
    /// The connection exceeded the rate limit for replays of the log. `details.retry_after_seconds`
    /// is the time to wait.
    ReplayLimited,
    /// The owner token is not valid; `details.reason` says why.
    InvalidToken,
    /// The owner token does not have the scope, or is not of the owner of the connection's subscriptions.
    TokenForbidden,
    /// The keys of owner tokens cannot be fetched. `details.retry_after_seconds` is the time to wait.
    TokenKeysUnavailable,
    /// The token of a subscription has expired; `details.job_id` names the job, which goes on. If the client has sent
    /// nothing, it is the end of the subscription.
    TokenExpired,
    /// The worker token is malformed, unknown, revoked or expired.
    InvalidWorkerToken,
    /// The worker token is not valid for the queue.
    QueueForbidden,
    /// The product declares no such queue.
    UnknownQueue,
    /// The message exceeds the size limit.
    MessageTooLarge,
    /// An internal error.
    Internal,
}

/// Additional data of an error, such as the offending field.
pub type ErrorDetails = Value;

/// The error of a client's message: its code, its explanation and its details.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("{message}")]
pub struct ProtocolError {
    /// The error code.
    pub code: ErrorCode,
    /// What is wrong and how to correct it, in English.
    pub message: String,
    /// Additional data of some codes, such as the field or the limit.
    pub details: Option<ErrorDetails>,
}

impl ProtocolError {
    /// Creates an error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
        }
    }

    /// Adds details to the error.
    #[must_use]
    pub fn with_details(mut self, details: ErrorDetails) -> Self {
        self.details = Some(details);
        self
    }
}

/// Declares the codes with which Stagecast itself fails a job.
macro_rules! failure_codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal,)+) => {
        /// The codes of `job_failed` that Stagecast itself uses. Stages define their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureCode {
            $($(#[doc = $meaning])+ $code,)+
        }

        impl FailureCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The code in messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }
        }
    };
}

failure_codes! {
    /// A stage failed without a code.
    Failed = "failed",
    /// A stage returned the error of a cancellation that was not requested.
    Internal = "internal",
    /// The job took longer than its limit `run_seconds` from its first claim.
    JobTimedOut = "job_timed_out",
    /// Too many consecutive runs lost their lease without finishing a stage or storing a checkpoint.
    LeaseLost = "lease_lost",
    /// No run and no worker claimed the job within its limit `queue_seconds`.
    QueueTimeout = "queue_timeout",
    /// A stage of the pipeline panicked.
    StagePanicked = "stage_panicked",
    /// A stage of the pipeline took longer than its time limit.
    StageTimedOut = "stage_timed_out",
    /// Too many consecutive claims ended without a finished stage or a checkpoint.
    TooManyAttempts = "too_many_attempts",
    /// The input was not uploaded in time.
    UploadExpired = "upload_expired",
    /// The uploaded input has none of the accepted types, or invalid content.
    InvalidInput = "invalid_input",
    /// The external worker lost its lease, and no worker claimed the job in time.
    WorkerLost = "worker_lost",
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobError {
    /// The error code for programs, such as `not_an_image`: letters, digits, `_` and `-`. Stages
    /// define their own codes; Stagecast's are `failed`, `internal`, `invalid_input`, `job_timed_out`,
    /// `lease_lost`, `queue_timeout`, `stage_panicked`, `stage_timed_out`, `too_many_attempts`, `upload_expired`
    /// and `worker_lost`. Other characters are replaced by `_`; a code is cut after 64 characters.
    pub code: String,
    /// What went wrong and what to do, for display. Cut after 1,024 bytes.
    pub message: String,
}

impl JobError {
    /// Builds the error with which Stagecast itself ends a job.
    pub fn of(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code: code.name().to_owned(),
            message: message.into(),
        }
    }

    /// Whether the error has this code. A worker may report the same code itself.
    pub fn is(&self, code: FailureCode) -> bool {
        self.code == code.name()
    }

    /// Builds the error of a stage. It accepts any code and message, so that the job can always
    /// end: overlong text is cut, and invalid characters of the code are replaced.
    pub fn of_stage(code: &str, message: String) -> Self {
        let is_name = |character: char| {
            character.is_ascii_alphanumeric() || character == '_' || character == '-'
        };
        let code = code.trim().chars().take(MAX_NAME_BYTES);
        let code: String = code.map(|it| if is_name(it) { it } else { '_' }).collect();
        Self {
            code: if code.is_empty() {
                FailureCode::Failed.name().to_owned()
            } else {
                code
            },
            message: truncate_with_ellipsis(message, MAX_TEXT_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documents that list the codes, and the text before each list.
    const LISTS: [(&str, &str); 2] = [
        (
            include_str!("../../../../docs/reference/websocket.md"),
            "The codes of `job_failed`",
        ),
        (
            include_str!("../../../../generated/asyncapi.yaml"),
            "Stagecast's are",
        ),
    ];

    #[test]
    fn every_failure_code_is_documented_for_clients() {
        for (text, start) in LISTS {
            let (_, list) = text.split_once(start).expect(start);
            let list: String = list.chars().take(300).collect();
            for code in FailureCode::ALL {
                let code = format!("`{}`", code.name());
                assert!(list.contains(&code), "{code} is missing after: {start}");
            }
        }
    }

    #[test]
    fn job_error_accepts_any_code_and_message() {
        let error = JobError::of_stage("no_words", "None.".to_owned());
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("no_words", "None.")
        );
        for (code, expected) in [
            ("", "failed"),
            (" a b ", "a_b"),
            ("HTTP 500: é", "HTTP_500___"),
        ] {
            assert_eq!(JobError::of_stage(code, String::new()).code, expected);
        }
        let long = JobError::of_stage(&"é".repeat(100), "é".repeat(2_934));
        assert_eq!(long.code, "_".repeat(MAX_NAME_BYTES));
        assert!(long.message.len() <= MAX_TEXT_BYTES && long.message.ends_with("é…"));
    }
}
