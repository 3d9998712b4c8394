//! The messages that clients receive.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::{
    CancelRequested, ErrorReply, JobCancelled, JobComplete, JobFailed, Pong, ProgressUpdate,
    StageComplete, StatusReply, Subscribed, Unsubscribed,
};

/// A message to a client, by its type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not listed in `server_messages!`",
    label = "this is no message to clients",
    note = "list it in crates/stagecast-contract/src/messages/server.rs"
)]
pub trait MessageType {
    /// The value of `type` in the message.
    const NAME: &'static str;
}

/// Declares the messages to clients: for each its variant, its type and its `type`.
macro_rules! server_messages {
    ($($(#[$documentation:meta])* $variant:ident($message:ident) = $name:literal,)*) => {
        /// A message to a client. `type` selects the variant.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "type")]
        pub enum ServerMessage {
            $($(#[$documentation])* #[serde(rename = $name)] $variant($message),)*
        }

        $(
            impl MessageType for $message {
                const NAME: &'static str = $name;
            }

            impl From<$message> for ServerMessage {
                fn from(message: $message) -> Self {
                    Self::$variant(message)
                }
            }
        )*
    };
}

server_messages! {
    /// The progress of the running stage.
    ProgressUpdate(ProgressUpdate) = "progress_update",
    /// A stage has finished.
    StageComplete(StageComplete) = "stage_complete",
    /// All stages have finished.
    JobComplete(JobComplete) = "job_complete",
    /// The job has failed.
    JobFailed(JobFailed) = "job_failed",
    /// The job was cancelled.
    JobCancelled(JobCancelled) = "job_cancelled",
    /// The connection is subscribed to the job.
    Subscribed(Subscribed) = "subscribed",
    /// The connection is no longer subscribed to the job.
    Unsubscribed(Unsubscribed) = "unsubscribed",
    /// The current state of the job.
    JobStatus(StatusReply) = "job_status",
    /// The cancellation of the job is requested.
    CancelRequested(CancelRequested) = "cancel_requested",
    /// The reply to `ping`.
    Pong(Pong) = "pong",
    /// A client's message was rejected.
    Error(ErrorReply) = "error",
}

/// Deserializes a durable message from the log; other messages are only serialized. In two steps,
/// because an internally tagged enum would not keep the text of the results.
impl<'de> Deserialize<'de> for ServerMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Tag {
            r#type: Type,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Type {
            StageComplete,
            JobComplete,
            JobFailed,
            JobCancelled,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let read = || -> Result<Self, serde_json::Error> {
            let text = raw.get();
            Ok(match serde_json::from_str::<Tag>(text)?.r#type {
                Type::StageComplete => Self::StageComplete(serde_json::from_str(text)?),
                Type::JobComplete => Self::JobComplete(serde_json::from_str(text)?),
                Type::JobFailed => Self::JobFailed(serde_json::from_str(text)?),
                Type::JobCancelled => Self::JobCancelled(serde_json::from_str(text)?),
            })
        };
        read().map_err(de::Error::custom)
    }
}

impl ServerMessage {
    /// The message as JSON text.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with string keys always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use raw_json::RawJson;
    use serde_json::json;

    use super::*;
    use crate::{
        ids::JobId,
        limits::{
            MAX_INLINE_RESULTS_BYTES, MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_REMAINING_SECONDS,
            MAX_TEXT_BYTES,
        },
        messages::{JobError, JobSnapshot, JobStatus, Results},
        timestamp::Timestamp,
    };

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn job_id() -> JobId {
        "job_20240115_abc123".parse().expect("an id")
    }

    #[test]
    fn progress_update_has_the_protocols_fields_in_order() {
        let message = ServerMessage::ProgressUpdate(ProgressUpdate {
            job_id: job_id(),
            stage: "stage_1".to_owned(),
            progress: 50,
            message: "Detecting walls...".to_owned(),
            estimated_seconds_remaining: Some(15),
            timestamp: NOW,
            seq: 0,
            correlation_id: "req_1_a".to_owned(),
            overall_progress: 25,
            attempt: Some(1),
        });
        assert!(message.to_json().starts_with(
            r#"{"type":"progress_update","job_id":"job_20240115_abc123","stage":"stage_1","progress":50,"message":"Detecting walls...","estimated_seconds_remaining":15,"timestamp":"2024-01-15T10:30:15Z""#
        ));
    }

    #[test]
    fn stage_and_job_complete_contain_their_results() {
        let results = Results {
            results: json!({ "rooms": [] }).into(),
            results_url: None,
        };
        let stage = ServerMessage::StageComplete(StageComplete {
            job_id: job_id(),
            stage: "stage_1".to_owned(),
            results: results.clone(),
            timestamp: NOW,
            seq: 1,
            correlation_id: "req_1_a".to_owned(),
        });
        assert!(stage.to_json().starts_with(
            r#"{"type":"stage_complete","job_id":"job_20240115_abc123","stage":"stage_1","results":{"rooms":[]},"timestamp":"2024-01-15T10:30:15Z""#
        ));
        let job = ServerMessage::JobComplete(JobComplete {
            job_id: job_id(),
            results,
            timestamp: NOW,
            seq: 2,
            correlation_id: "req_1_a".to_owned(),
        });
        assert!(job.to_json().starts_with(
            r#"{"type":"job_complete","job_id":"job_20240115_abc123","results":{"rooms":[]},"timestamp":"2024-01-15T10:30:15Z""#
        ));
    }

    #[test]
    fn failed_and_cancelled_omit_the_stage_if_none_was_running() {
        let failed = ServerMessage::JobFailed(JobFailed {
            job_id: job_id(),
            error: JobError {
                code: "no_walls".to_owned(),
                message: "No walls.".to_owned(),
            },
            timestamp: NOW,
            seq: 1,
            correlation_id: "req_1_a".to_owned(),
            stage: Some("stage_1".to_owned()),
        });
        assert!(failed.to_json().starts_with(
            r#"{"type":"job_failed","job_id":"job_20240115_abc123","error":{"code":"no_walls","message":"No walls."},"timestamp":"2024-01-15T10:30:15Z""#
        ));
        let cancelled = ServerMessage::JobCancelled(JobCancelled {
            job_id: job_id(),
            timestamp: NOW,
            seq: 1,
            correlation_id: "req_1_a".to_owned(),
            stage: None,
        });
        assert_eq!(
            cancelled.to_json(),
            r#"{"type":"job_cancelled","job_id":"job_20240115_abc123","timestamp":"2024-01-15T10:30:15Z","seq":1,"correlation_id":"req_1_a"}"#
        );
    }

    fn durable(results: &str) -> [ServerMessage; 4] {
        let correlation_id = "req_1_a".to_owned();
        let results = Results {
            results: RawJson::from_text(results.to_owned()).expect("JSON"),
            results_url: None,
        };
        let error = JobError::of_stage("no_walls", "No walls.".to_owned());
        [
            ServerMessage::StageComplete(StageComplete {
                job_id: job_id(),
                stage: "stage_1".to_owned(),
                results: results.clone(),
                timestamp: NOW,
                seq: 1,
                correlation_id: correlation_id.clone(),
            }),
            ServerMessage::JobComplete(JobComplete {
                job_id: job_id(),
                results,
                timestamp: NOW,
                seq: 2,
                correlation_id: correlation_id.clone(),
            }),
            ServerMessage::JobFailed(JobFailed {
                job_id: job_id(),
                error,
                timestamp: NOW,
                seq: 2,
                correlation_id: correlation_id.clone(),
                stage: Some("stage_1".to_owned()),
            }),
            ServerMessage::JobCancelled(JobCancelled {
                job_id: job_id(),
                timestamp: NOW,
                seq: 2,
                correlation_id,
                stage: None,
            }),
        ]
    }

    #[test]
    fn durable_messages_round_trip_byte_for_byte() {
        let results =
            r#"{"b": 12.917521550408111, "a": [-0, 1e400, 123456789012345678901234567890]}"#;
        for message in durable(results) {
            let logged = message.to_json();
            let read: ServerMessage = serde_json::from_str(&logged).expect("a message");
            assert_eq!(read.to_json(), logged);
        }
    }

    #[test]
    fn snapshots_contain_results_byte_for_byte() {
        let snapshot = JobSnapshot {
            job_id: job_id(),
            status: JobStatus::Completed,
            stage: Some("stage_2".to_owned()),
            progress: 100,
            overall_progress: 100,
            message: String::new(),
            estimated_seconds_remaining: Some(0),
            seq: 3,
            created_at: NOW,
            updated_at: NOW,
            correlation_id: "req_1_a".to_owned(),
            attempt: Some(2),
            results: Some(Results {
                results: RawJson::from_text("[ 1.0, 1E2 ]".to_owned()).expect("JSON"),
                results_url: None,
            }),
            error: None,
        };
        let reply = ServerMessage::JobStatus(StatusReply {
            snapshot,
            request_id: "r".to_owned(),
            timestamp: NOW,
        });
        let json = reply.to_json();
        assert!(json.contains(r#""results":[ 1.0, 1E2 ],"#), "{json}");
    }

    #[test]
    fn only_durable_messages_are_deserialized() {
        let pong = r#"{"type":"pong","request_id":"r","timestamp":"2024-01-15T10:30:15Z"}"#;
        let error = serde_json::from_str::<ServerMessage>(pong).expect_err("a reply");
        assert!(
            error.to_string().contains("unknown variant `pong`"),
            "{error}"
        );
    }

    #[test]
    fn largest_message_fits_into_a_frame() {
        // A control character is six bytes in JSON.
        let text = |bytes: usize| "\u{1}".repeat(bytes);
        let results = format!("[{}]", "1".repeat(MAX_INLINE_RESULTS_BYTES - 2));
        let snapshot = JobSnapshot {
            job_id: job_id(),
            status: JobStatus::Completed,
            stage: Some(text(MAX_NAME_BYTES)),
            progress: 100,
            overall_progress: 100,
            message: text(MAX_TEXT_BYTES),
            estimated_seconds_remaining: Some(MAX_REMAINING_SECONDS),
            seq: u64::MAX,
            created_at: NOW,
            updated_at: NOW,
            correlation_id: text(128),
            attempt: Some(u32::MAX),
            results: Some(Results {
                results: RawJson::from_text(results).expect("JSON"),
                results_url: None,
            }),
            error: Some(JobError::of_stage("a", text(MAX_TEXT_BYTES))),
        };
        let subscribed = ServerMessage::Subscribed(Subscribed {
            job_id: job_id(),
            seq: u64::MAX,
            recovered: true,
            status: snapshot,
            request_id: text(128),
            correlation_id: text(128),
            timestamp: NOW,
        });
        let bytes = subscribed.to_json().len();
        assert!(bytes <= MAX_MESSAGE_BYTES, "{bytes}");
    }
}
