//! What clients receive.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::{ErrorCode, ErrorDetails, JobError};
#[cfg(feature = "schema")]
use crate::limits::MAX_REMAINING_SECONDS;
use crate::{ids::JobId, json::RawJson, timestamp::Timestamp};

/// Results as a message carries them: themselves, or where to get them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Results {
    /// The results, as they were written; null when they are too large for a message.
    pub results: RawJson,
    /// Where the results are, relative to the HTTP API's address, when they are too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results_url: Option<String>,
}

/// How far a running stage is. Not logged: a later one replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgressUpdate {
    /// The job.
    pub job_id: JobId,
    /// The running stage.
    pub stage: String,
    /// Percent of the stage, 0 to 100. It never goes back within an attempt.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// What the stage is doing, for a person.
    pub message: String,
    /// Seconds until the job ends, or null while unknown.
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_REMAINING_SECONDS)))]
    pub estimated_seconds_remaining: Option<u64>,
    /// When it was reported.
    pub timestamp: Timestamp,
    /// The `seq` of the job's last durable message: who has not seen it has missed something.
    pub seq: u64,
    /// The id that ties the messages of a job to its request.
    pub correlation_id: String,
    /// Percent of all stages, 0 to 100. It never goes back within an attempt.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: u8,
    /// The attempt at the stage, from 1. A new claim of the job that starts the stage again makes
    /// the next one, whose percentages start anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub attempt: Option<u32>,
}

/// A stage has finished. Durable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StageComplete {
    /// The job.
    pub job_id: JobId,
    /// The stage.
    pub stage: String,
    /// What the stage found.
    #[serde(flatten)]
    pub results: Results,
    /// When it finished.
    pub timestamp: Timestamp,
    /// The message's place among the job's durable messages, from 1.
    pub seq: u64,
    /// The id that ties the messages of a job to its request.
    pub correlation_id: String,
}

/// All stages have finished. Durable, the last message of its job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobComplete {
    /// The job.
    pub job_id: JobId,
    /// What the job found: the results of its last stage.
    #[serde(flatten)]
    pub results: Results,
    /// When it finished.
    pub timestamp: Timestamp,
    /// The message's place among the job's durable messages, from 1.
    pub seq: u64,
    /// The id that ties the messages of a job to its request.
    pub correlation_id: String,
}

/// The job has failed. Durable, the last message of its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobFailed {
    /// The job.
    pub job_id: JobId,
    /// Why.
    pub error: JobError,
    /// When it failed.
    pub timestamp: Timestamp,
    /// The message's place among the job's durable messages, from 1.
    pub seq: u64,
    /// The id that ties the messages of a job to its request.
    pub correlation_id: String,
    /// The stage that was running, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// The job was cancelled. Durable, the last message of its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobCancelled {
    /// The job.
    pub job_id: JobId,
    /// When it ended.
    pub timestamp: Timestamp,
    /// The message's place among the job's durable messages, from 1.
    pub seq: u64,
    /// The id that ties the messages of a job to its request.
    pub correlation_id: String,
    /// The stage that was running, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a pipeline.
    Queued,
    /// A pipeline runs it.
    Running,
    /// All stages have finished.
    Completed,
    /// A stage failed.
    Failed,
    /// Someone cancelled it.
    Cancelled,
}

impl JobStatus {
    /// The status as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job has ended, one way or the other.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A job as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobSnapshot {
    /// The job.
    pub job_id: JobId,
    /// Where it is in its life.
    pub status: JobStatus,
    /// The stage that is, or was last, running.
    pub stage: Option<String>,
    /// Percent of that stage, 0 to 100.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// Percent of all stages, 0 to 100.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: u8,
    /// What the stage is doing, for a person.
    pub message: String,
    /// Seconds until the job ends, or null while unknown.
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_REMAINING_SECONDS)))]
    pub estimated_seconds_remaining: Option<u64>,
    /// The `seq` of the job's last durable message.
    pub seq: u64,
    /// When the job was made.
    pub created_at: Timestamp,
    /// When any of this last changed.
    pub updated_at: Timestamp,
    /// The id that ties the messages of a job to its request.
    pub correlation_id: String,
    /// The attempt at the stage, from 1; left out before the first stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub attempt: Option<u32>,
    /// The results of a completed job.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Results>,
    /// Why a failed job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// The connection watches the job; the durable messages it lacks follow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subscribed {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of the job's last durable message.
    pub seq: u64,
    /// Whether the log still held everything after `after_seq`. If not, the snapshot stands for it.
    pub recovered: bool,
    /// The job as it is now.
    pub status: JobSnapshot,
    /// The request that this answers.
    pub request_id: String,
    /// The id that ties the messages of a connection together.
    pub correlation_id: String,
    /// When the job was looked at.
    pub timestamp: Timestamp,
}

/// The connection no longer watches the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unsubscribed {
    /// The job.
    pub job_id: JobId,
    /// The request that this answers.
    pub request_id: String,
    /// When it was done.
    pub timestamp: Timestamp,
}

/// The job as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusReply {
    /// The job as it is now.
    #[serde(flatten)]
    pub snapshot: JobSnapshot,
    /// The request that this answers.
    pub request_id: String,
    /// When the job was looked at.
    pub timestamp: Timestamp,
}

/// The job has been asked to stop; `job_cancelled` follows when it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelRequested {
    /// The job.
    pub job_id: JobId,
    /// The request that this answers.
    pub request_id: String,
    /// When it was asked.
    pub timestamp: Timestamp,
}

/// The answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pong {
    /// The request that this answers.
    pub request_id: String,
    /// When it was answered.
    pub timestamp: Timestamp,
}

/// A client's message was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorReply {
    /// The code.
    pub code: ErrorCode,
    /// What is wrong and the way out, for a person.
    pub message: String,
    /// The request that this answers.
    pub request_id: String,
    /// Where it helps: the field, the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// When it was refused.
    pub timestamp: Timestamp,
}

/// A message to a client. `type` selects the variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// How far a running stage is.
    ProgressUpdate(ProgressUpdate),
    /// A stage has finished.
    StageComplete(StageComplete),
    /// All stages have finished.
    JobComplete(JobComplete),
    /// The job has failed.
    JobFailed(JobFailed),
    /// The job was cancelled.
    JobCancelled(JobCancelled),
    /// The connection watches the job.
    Subscribed(Subscribed),
    /// The connection no longer watches the job.
    Unsubscribed(Unsubscribed),
    /// The job as it is now.
    JobStatus(StatusReply),
    /// The job has been asked to stop.
    CancelRequested(CancelRequested),
    /// The answer to `ping`.
    Pong(Pong),
    /// A client's message was not done.
    Error(ErrorReply),
}

/// Reads a type whose `results` are flattened. By serde they would pass through a buffer, which keeps
/// the value of a number and not its text.
macro_rules! read_with_results {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                struct Fields {
                    $($field: $type,)*
                    results: RawJson,
                    #[serde(default)]
                    results_url: Option<String>,
                }
                let Fields { $($field,)* results, results_url } = Fields::deserialize(deserializer)?;
                let results = Results { results, results_url };
                Ok(Self { $($field,)* results })
            }
        }
    };
}

read_with_results!(StageComplete {
    job_id: JobId,
    stage: String,
    timestamp: Timestamp,
    seq: u64,
    correlation_id: String,
});

read_with_results!(JobComplete {
    job_id: JobId,
    timestamp: Timestamp,
    seq: u64,
    correlation_id: String,
});

/// Reads a durable message from the log's JSON text; other messages are only written. In two steps,
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
    /// The message as it is sent.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with string keys always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::{
        MAX_INLINE_RESULTS_BYTES, MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_REMAINING_SECONDS,
        MAX_TEXT_BYTES,
    };

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn job_id() -> JobId {
        "job_20240115_abc123".parse().expect("an id")
    }

    #[test]
    fn progress_update_has_the_fields_of_the_protocol_in_their_order() {
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
    fn stage_and_job_complete_carry_their_results() {
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
    fn failed_and_cancelled_name_the_stage_only_where_one_was_running() {
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
    fn durable_messages_come_out_of_the_log_byte_for_byte() {
        let results =
            r#"{"b": 12.917521550408111, "a": [-0, 1e400, 123456789012345678901234567890]}"#;
        for message in durable(results) {
            let logged = message.to_json();
            let read: ServerMessage = serde_json::from_str(&logged).expect("a message");
            assert_eq!(read.to_json(), logged);
        }
    }

    #[test]
    fn snapshots_carry_results_byte_for_byte() {
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
    fn only_durable_messages_are_read() {
        let pong = r#"{"type":"pong","request_id":"r","timestamp":"2024-01-15T10:30:15Z"}"#;
        let error = serde_json::from_str::<ServerMessage>(pong).expect_err("a reply");
        assert!(
            error.to_string().contains("unknown variant `pong`"),
            "{error}"
        );
    }

    #[test]
    fn the_largest_message_fits_into_a_frame() {
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
