//! The state of a job, as replies and the HTTP API return it.

use serde::{Deserialize, Serialize};

use super::{JobError, Results};
#[cfg(feature = "schema")]
use crate::limits::MAX_REMAINING_SECONDS;
use crate::{ids::JobId, timestamp::Timestamp};

/// The status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
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
    /// The status as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
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
    /// The results of a completed job.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Results>,
    /// The error of a failed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}
