//! The state of a job, as replies and the HTTP API return it.

use std::collections::BTreeMap;

use raw_json::RawJson;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Artifact, JobError, Results, WorkAmount};
#[cfg(feature = "schema")]
use crate::limits::MAX_REMAINING_SECONDS;
use crate::{ids::JobId, timestamp::Timestamp, worker_queues::QueueName};

/// The status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// The input is not uploaded yet.
    AwaitingInput,
    /// Not claimed yet by the pipeline or an external worker.
    Queued,
    /// Claimed by the pipeline or an external worker.
    Running,
    /// All stages have finished.
    Completed,
    /// A stage failed.
    Failed,
    /// Cancelled on request.
    Cancelled,
}

impl JobStatus {
    /// Every status.
    pub const ALL: &'static [Self] = &[
        Self::AwaitingInput,
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|status| status.name() == name)
    }

    /// The status as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwaitingInput => "awaiting_input",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job is completed, failed or cancelled.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// The current state of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobSnapshot {
    /// The job.
    pub job_id: JobId,
    /// The status of the job.
    pub status: JobStatus,
    /// The stage that is running or was the last to run.
    pub stage: Option<String>,
    /// Percent of that stage, 0 to 100.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// Percent of the whole job, 0 to 100.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: u8,
    /// What the stage is doing, for display.
    pub message: String,
    /// Estimated seconds until the job ends, or null if unknown.
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_REMAINING_SECONDS)))]
    pub estimated_seconds_remaining: Option<u64>,
    /// The `seq` of the job's last durable message.
    pub seq: u64,
    /// When the job was created.
    pub created_at: Timestamp,
    /// When the job last changed.
    pub updated_at: Timestamp,
    /// Correlates all messages and log lines of the job with the request that created it.
    pub correlation_id: String,
    /// The attempt at the stage, from 1; absent before the first stage.
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
    /// When the job may start at the earliest; absent if it may start at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// The queue from which external workers claim the job; absent if it was created without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The owner of the job; absent if it was created without an owner token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The labels that the creator of the job gave it; absent if there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How much of the stage's work is done, in its own unit.
    #[serde(flatten)]
    pub work: WorkAmount,
    /// The results of a completed job.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Results>,
    /// The error of a failed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The artifacts that the job has so far; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// Not derived: serde would buffer the flattened `results`, which keeps the value of a number but not its text.
impl<'de> Deserialize<'de> for JobSnapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer).map(Self::from)
    }
}

/// The fields of a [`JobSnapshot`] in JSON.
#[derive(Deserialize)]
struct Fields {
    job_id: JobId,
    status: JobStatus,
    stage: Option<String>,
    progress: u8,
    overall_progress: u8,
    message: String,
    estimated_seconds_remaining: Option<u64>,
    seq: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    correlation_id: String,
    #[serde(default)]
    attempt: Option<u32>,
    #[serde(default)]
    max_attempts: Option<u32>,
    #[serde(default)]
    retry_at: Option<Timestamp>,
    #[serde(default)]
    run_at: Option<Timestamp>,
    #[serde(default)]
    queue: Option<QueueName>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(flatten)]
    work: WorkAmount,
    #[serde(default)]
    results: Option<RawJson>,
    #[serde(default)]
    results_url: Option<String>,
    #[serde(default)]
    error: Option<JobError>,
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

impl From<Fields> for JobSnapshot {
    fn from(fields: Fields) -> Self {
        // The results of a completed job may be null.
        let has_results = fields.status == JobStatus::Completed
            || fields.results.is_some()
            || fields.results_url.is_some();
        Self {
            job_id: fields.job_id,
            status: fields.status,
            stage: fields.stage,
            progress: fields.progress,
            overall_progress: fields.overall_progress,
            message: fields.message,
            estimated_seconds_remaining: fields.estimated_seconds_remaining,
            seq: fields.seq,
            created_at: fields.created_at,
            updated_at: fields.updated_at,
            correlation_id: fields.correlation_id,
            attempt: fields.attempt,
            max_attempts: fields.max_attempts,
            retry_at: fields.retry_at,
            run_at: fields.run_at,
            queue: fields.queue,
            owner: fields.owner,
            labels: fields.labels,
            work: fields.work,
            results: has_results.then(|| Results {
                results: fields.results.unwrap_or_else(RawJson::null),
                results_url: fields.results_url,
            }),
            error: fields.error,
            artifacts: fields.artifacts,
        }
    }
}
