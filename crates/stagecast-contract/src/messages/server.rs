//! The messages that clients receive.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::{
    Authenticated, CancelRequested, ErrorReply, JobAvailable, JobCancelled, JobComplete, JobFailed,
    Listening, OwnedJobCreated, OwnerSubscribed, OwnerUnsubscribed, Pong, ProgressUpdate,
    StageComplete, StatusReply, StoppedListening, Subscribed, Unsubscribed,
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

        /// Deserializes in two steps, because an internally tagged enum would not keep the text of the results.
        impl<'de> Deserialize<'de> for ServerMessage {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                struct Tag {
                    r#type: Type,
                }
                #[derive(Deserialize)]
                enum Type {
                    $(#[serde(rename = $name)] $variant,)*
                }
                let raw = Box::<RawValue>::deserialize(deserializer)?;
                let read = || -> Result<Self, serde_json::Error> {
                    let text = raw.get();
                    Ok(match serde_json::from_str::<Tag>(text)?.r#type {
                        $(Type::$variant => Self::$variant(serde_json::from_str(text)?),)*
                    })
                };
                read().map_err(de::Error::custom)
            }
        }
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
    /// The connection is subscribed to the feed of the owner.
    OwnerSubscribed(OwnerSubscribed) = "owner_subscribed",
    /// The connection is no longer subscribed to the feed of the owner.
    OwnerUnsubscribed(OwnerUnsubscribed) = "owner_unsubscribed",
    /// The owner of a feed has a new job.
    JobCreated(OwnedJobCreated) = "job_created",
    /// The current state of the job.
    JobStatus(StatusReply) = "job_status",
    /// The cancellation of the job is requested.
    CancelRequested(CancelRequested) = "cancel_requested",
    /// The connection listens to the queue.
    Listening(Listening) = "listening",
    /// The connection no longer listens to the queue.
    StoppedListening(StoppedListening) = "stopped_listening",
    /// A job of a queue can be claimed.
    JobAvailable(JobAvailable) = "job_available",
    /// Subscriptions were extended by a newer token.
    Authenticated(Authenticated) = "authenticated",
    /// The reply to `ping`.
    Pong(Pong) = "pong",
    /// A client's message was rejected.
    Error(ErrorReply) = "error",
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
            MAX_ARTIFACT_BYTES, MAX_ARTIFACT_NAME_BYTES, MAX_ARTIFACTS, MAX_CONTENT_TYPE_BYTES,
            MAX_INLINE_RESULTS_BYTES, MAX_LABEL_NAME_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS,
            MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_REMAINING_SECONDS, MAX_TEXT_BYTES,
            MAX_UNIT_BYTES, MAX_WORK_AMOUNT,
        },
        messages::{Artifact, JobError, JobSnapshot, JobStatus, Results, WorkAmount},
        owner_tokens::MAX_OWNER_BYTES,
        timestamp::Timestamp,
        worker_queues::MAX_QUEUE_NAME_BYTES,
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
            max_attempts: None,
            retry_at: None,
            work: WorkAmount::default(),
        });
        assert!(message.to_json().starts_with(
            r#"{"type":"progress_update","job_id":"job_20240115_abc123","stage":"stage_1","progress":50,"message":"Detecting walls...","estimated_seconds_remaining":15,"timestamp":"2024-01-15T10:30:15Z""#
        ));
    }

    #[test]
    fn amount_of_work_follows_the_seed_fields() {
        let mut update = ProgressUpdate {
            job_id: job_id(),
            stage: "stage_1".to_owned(),
            progress: 24,
            message: String::new(),
            estimated_seconds_remaining: None,
            timestamp: NOW,
            seq: 0,
            correlation_id: "req_1_a".to_owned(),
            overall_progress: 12,
            attempt: None,
            max_attempts: None,
            retry_at: None,
            work: WorkAmount::default(),
        };
        let without = ServerMessage::ProgressUpdate(update.clone()).to_json();
        assert!(without.ends_with(r#""overall_progress":12}"#), "{without}");
        update.work = WorkAmount {
            completed: Some(1_200),
            total: Some(5_000),
            unit: Some("rows".to_owned()),
            indeterminate: false,
        };
        let with = ServerMessage::ProgressUpdate(update.clone()).to_json();
        let seed = without.trim_end_matches('}');
        assert_eq!(
            with.strip_prefix(seed),
            Some(r#","completed":1200,"total":5000,"unit":"rows"}"#)
        );
        let read: ProgressUpdate = serde_json::from_str(&with).expect("an update");
        assert_eq!(read, update);
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
            artifacts: Vec::new(),
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
            artifacts: Vec::new(),
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

    /// As many artifacts as a job may have, with the longest names and types.
    fn largest_artifacts() -> Vec<Artifact> {
        let numbers = 100..100 + MAX_ARTIFACTS;
        let artifacts = numbers.map(|number| Artifact {
            name: format!("{number}{}", "a".repeat(MAX_ARTIFACT_NAME_BYTES - 3)),
            content_type: format!("text/{}", "a".repeat(MAX_CONTENT_TYPE_BYTES - 5)),
            size: MAX_ARTIFACT_BYTES,
            sha256: "0a".repeat(32),
        });
        let artifacts: Vec<_> = artifacts.collect();
        assert!(
            artifacts
                .iter()
                .all(|it| it.check(MAX_ARTIFACT_BYTES).is_ok())
        );
        artifacts
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
                artifacts: largest_artifacts(),
            }),
            ServerMessage::JobComplete(JobComplete {
                job_id: job_id(),
                results,
                timestamp: NOW,
                seq: 2,
                correlation_id: correlation_id.clone(),
                artifacts: Vec::new(),
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
            max_attempts: None,
            retry_at: None,
            run_at: None,
            queue: None,
            owner: None,
            labels: std::collections::BTreeMap::new(),
            work: WorkAmount::default(),
            results: Some(Results {
                results: RawJson::from_text("[ 1.0, 1E2 ]".to_owned()).expect("JSON"),
                results_url: None,
            }),
            error: None,
            artifacts: Vec::new(),
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
    fn replies_round_trip_byte_for_byte() {
        let results = Results {
            results: RawJson::from_text("[ 1.0, 1E2 ]".to_owned()).expect("JSON"),
            results_url: None,
        };
        let completed = snapshot(JobStatus::Completed, Some(results));
        let large = Results {
            results: RawJson::null(),
            results_url: Some("/v1/jobs/job_20240115_abc123/results".to_owned()),
        };
        let replies = [
            subscribed(completed.clone()),
            subscribed(snapshot(JobStatus::Completed, Some(large))),
            subscribed(snapshot(JobStatus::Running, None)),
            ServerMessage::JobStatus(StatusReply {
                snapshot: completed,
                request_id: "r".to_owned(),
                timestamp: NOW,
            }),
            ServerMessage::Authenticated(Authenticated {
                owner: "user-7".to_owned(),
                token_expires_at: NOW,
                subscriptions: 2,
                request_id: "r".to_owned(),
                timestamp: NOW,
            }),
            ServerMessage::Pong(Pong {
                request_id: "r".to_owned(),
                timestamp: NOW,
            }),
        ];
        for reply in replies {
            let sent = reply.to_json();
            let read: ServerMessage = serde_json::from_str(&sent).expect("a reply");
            assert_eq!(read, reply);
            assert_eq!(read.to_json(), sent);
        }
    }

    #[test]
    fn unknown_type_is_named_by_the_error() {
        let error = serde_json::from_str::<ServerMessage>(r#"{"type":"later"}"#);
        let error = error.expect_err("no such message").to_string();
        assert!(error.contains("unknown variant `later`"), "{error}");
    }

    fn subscribed(status: JobSnapshot) -> ServerMessage {
        ServerMessage::Subscribed(Subscribed {
            job_id: job_id(),
            seq: status.seq,
            recovered: true,
            status,
            request_id: "r".to_owned(),
            correlation_id: "conn_1_a".to_owned(),
            timestamp: NOW,
            token_expires_at: None,
        })
    }

    fn snapshot(status: JobStatus, results: Option<Results>) -> JobSnapshot {
        JobSnapshot {
            job_id: job_id(),
            status,
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
            max_attempts: None,
            retry_at: None,
            run_at: None,
            queue: Some("reports".parse().expect("a name")),
            owner: None,
            labels: std::collections::BTreeMap::from([("a".to_owned(), "1".to_owned())]),
            work: WorkAmount {
                completed: Some(3),
                ..WorkAmount::default()
            },
            results,
            error: None,
            artifacts: Vec::new(),
        }
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
            max_attempts: Some(u32::MAX),
            retry_at: Some(NOW),
            run_at: Some(NOW),
            queue: Some("q".repeat(MAX_QUEUE_NAME_BYTES).parse().expect("a name")),
            owner: Some("o".repeat(MAX_OWNER_BYTES)),
            labels: (10..10 + MAX_LABELS)
                .map(|number| {
                    let name = format!("{number}{}", "a".repeat(MAX_LABEL_NAME_BYTES - 2));
                    (name, text(MAX_LABEL_VALUE_BYTES))
                })
                .collect(),
            work: WorkAmount {
                completed: Some(MAX_WORK_AMOUNT),
                total: Some(MAX_WORK_AMOUNT),
                unit: Some(text(MAX_UNIT_BYTES)),
                indeterminate: true,
            },
            results: Some(Results {
                results: RawJson::from_text(results).expect("JSON"),
                results_url: None,
            }),
            error: Some(JobError::of_stage("a", text(MAX_TEXT_BYTES))),
            artifacts: largest_artifacts(),
        };
        let subscribed = ServerMessage::Subscribed(Subscribed {
            job_id: job_id(),
            seq: u64::MAX,
            recovered: true,
            status: snapshot,
            request_id: text(128),
            correlation_id: text(128),
            timestamp: NOW,
            token_expires_at: Some(NOW),
        });
        let bytes = subscribed.to_json().len();
        assert!(bytes <= MAX_MESSAGE_BYTES, "{bytes}");
    }
}
