//! What can go wrong, as clients are told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::{MAX_NAME_BYTES, MAX_TEXT_BYTES, truncate_with_ellipsis};

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
    /// The connection was sent too much of the log by its own subscriptions. `details` says when to try
    /// again, as `retry_after_seconds`.
    ReplayLimited,
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

/// Declares the codes with which Stagecast itself fails a job, and when.
macro_rules! failure_codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal,)+) => {
        /// A code of `job_failed` that Stagecast itself uses. Stages name their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureCode {
            $($(#[doc = $meaning])+ $code,)+
        }

        impl FailureCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The code as clients receive it.
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
    /// A stage stopped as if it had been cancelled, but it was not.
    Internal = "internal",
    /// Runs were alive but did not renew their lease, too often without a stage finished.
    LeaseLost = "lease_lost",
    /// A stage of the pipeline has panicked.
    StagePanicked = "stage_panicked",
    /// Runs or workers started too often without a stage finished.
    TooManyAttempts = "too_many_attempts",
    /// The external worker was silent for too long, and no other has claimed the job.
    WorkerLost = "worker_lost",
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobError {
    /// A word that programs can look at, `not_an_image`: letters, digits, `_` and `-`. Stages name
    /// their own; Stagecast's are `failed`, `internal`, `lease_lost`, `stage_panicked`,
    /// `too_many_attempts` and `worker_lost`. Other characters become `_`, more than 64 are cut.
    pub code: String,
    /// What went wrong and the way out, for a person. More than 1,024 bytes are cut.
    pub message: String,
}

impl JobError {
    /// A failure that Stagecast itself ends a job with.
    pub fn of(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code: code.name().to_owned(),
            message: message.into(),
        }
    }

    /// Whether Stagecast's own failure has this code. A worker may have chosen the same name.
    pub fn is(&self, code: FailureCode) -> bool {
        self.code == code.name()
    }

    /// The error of a stage. Whatever its code and message are, the job can end with it: what is too
    /// long is cut, and the code becomes a name.
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

    /// Texts that list the codes, with the sentence that does.
    const LISTS: [(&str, &str); 2] = [
        (
            include_str!("../../../docs/reference/websocket.md"),
            "The codes of `job_failed`",
        ),
        (
            include_str!("../../../generated/asyncapi.yaml"),
            "Stagecast's are",
        ),
    ];

    #[test]
    fn every_failure_code_is_listed_where_clients_read_about_it() {
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
    fn a_failure_is_taken_whatever_its_code_and_message_are() {
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
