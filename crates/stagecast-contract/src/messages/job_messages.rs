//! The messages about a job: its progress and its durable messages.

use raw_json::RawJson;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Artifact, JobError, WorkAmount};
#[cfg(feature = "schema")]
use crate::limits::MAX_REMAINING_SECONDS;
use crate::{ids::JobId, timestamp::Timestamp};

/// The results in a message, inline or by URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Results {
    /// The results byte for byte; null if they are too large for a message.
    pub results: RawJson,
    /// The URL of the results relative to the HTTP API's address, if they are too large for a
    /// message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results_url: Option<String>,
}

/// The progress of the running stage. Not logged: a later update replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgressUpdate {
    /// The job.
    pub job_id: JobId,
    /// The running stage.
    pub stage: String,
    /// Percent of the stage, 0 to 100. It never decreases within an attempt.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// What the stage is doing, for display.
    pub message: String,
    /// Estimated seconds until the job ends, or null if unknown.
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_REMAINING_SECONDS)))]
    pub estimated_seconds_remaining: Option<u64>,
    /// When the progress was reported.
    pub timestamp: Timestamp,
    /// The `seq` of the job's last durable message. A client that has not received it has missed a
    /// message.
    pub seq: u64,
    /// Correlates all messages and log lines of the job with the request that created it.
    pub correlation_id: String,
    /// Percent of the whole job, 0 to 100. It never decreases within an attempt.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: u8,
    /// The attempt at the stage, from 1. A run that starts the stage again after a temporary failure or
    /// an interruption starts the next attempt, whose percentages start again. A stage that stores
    /// checkpoints is continued after an interruption in the same attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub attempt: Option<u32>,
    /// The number of attempts that the stage has, once a temporary failure has started the second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 2)))]
    pub max_attempts: Option<u32>,
    /// When the attempt starts, while the job waits for it after a temporary failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// How much of the stage's work is done, in its own unit.
    #[serde(flatten)]
    pub work: WorkAmount,
}

/// A stage has finished. Durable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StageComplete {
    /// The job.
    pub job_id: JobId,
    /// The stage.
    pub stage: String,
    /// The stage's results.
    #[serde(flatten)]
    pub results: Results,
    /// When it finished.
    pub timestamp: Timestamp,
    /// The number of this message among the job's durable messages, from 1.
    pub seq: u64,
    /// Correlates all messages and log lines of the job with the request that created it.
    pub correlation_id: String,
    /// The artifacts that the stage has attached; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// All stages have finished. Durable, the last message of its job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobComplete {
    /// The job.
    pub job_id: JobId,
    /// The job's results, which are those of its last stage.
    #[serde(flatten)]
    pub results: Results,
    /// When it finished.
    pub timestamp: Timestamp,
    /// The number of this message among the job's durable messages, from 1.
    pub seq: u64,
    /// Correlates all messages and log lines of the job with the request that created it.
    pub correlation_id: String,
    /// The artifacts of the job; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// The job has failed. Durable, the last message of its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobFailed {
    /// The job.
    pub job_id: JobId,
    /// The error.
    pub error: JobError,
    /// When it failed.
    pub timestamp: Timestamp,
    /// The number of this message among the job's durable messages, from 1.
    pub seq: u64,
    /// Correlates all messages and log lines of the job with the request that created it.
    pub correlation_id: String,
    /// The stage that was running, if any.
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
    /// The number of this message among the job's durable messages, from 1.
    pub seq: u64,
    /// Correlates all messages and log lines of the job with the request that created it.
    pub correlation_id: String,
    /// The stage that was running, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// Deserializes a type with flattened `results`. serde would buffer them, which keeps the value of
/// a number but not its text.
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
                    #[serde(default)]
                    artifacts: Vec<Artifact>,
                }
                let Fields { $($field,)* results, results_url, artifacts } =
                    Fields::deserialize(deserializer)?;
                let results = Results { results, results_url };
                Ok(Self { $($field,)* results, artifacts })
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
