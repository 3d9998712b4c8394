//! Requests and responses of the routes for external workers. An external worker is any program, in
//! any language, that holds a job's worker key.

mod body;

use raw_json::RawJson;
use serde::{Deserialize, Serialize};

pub use self::body::{EVENT_TYPES, InvalidBody};
#[cfg(feature = "schema")]
use crate::limits::{MAX_EVENTS, MAX_NAME_BYTES, MAX_STAGES};
use crate::{
    ids::JobId,
    limits::MAX_REMAINING_SECONDS,
    messages::{JobError, JobStatus, Results},
    reading,
    timestamp::Timestamp,
};

/// The characters of the name of a stage or a worker.
#[cfg(feature = "schema")]
const NAME_PATTERN: &str = "^[A-Za-z0-9_-]+$";

/// The body of `POST /v1/jobs/{job_id}/claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimRequest {
    /// The stages that the worker runs, in their order, without duplicates. Each has the same
    /// weight in the overall progress, unless the worker reports `overall_progress` itself.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = MAX_STAGES),
            inner(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
        )
    )]
    pub stages: Vec<String>,
    /// A name that identifies this worker uniquely. With it, the worker can claim its own job again
    /// at once after a restart or a lost response, instead of waiting for its lease to expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
    )]
    pub worker_id: Option<String>,
}

/// The response to `POST /v1/jobs/{job_id}/claim`: the worker holds the job's lease.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claimed {
    /// The job.
    pub job_id: JobId,
    /// The number of this claim. Send it with every post; a later claim invalidates it.
    pub epoch: u64,
    /// The `seq` of the job's last durable message: `after_seq` of the first post.
    pub seq: u64,
    /// Whether the cancellation of the job was requested: stop and post `job_cancelled`.
    pub cancel_requested: bool,
    /// The media type of the input.
    pub content_type: String,
    /// When the lease expires. Every accepted post renews it.
    pub lease_expires_at: Timestamp,
    /// The stages that earlier claims have finished, in their order, with their results or, if
    /// these are large, their URL, which the worker key authorizes. They cannot run again.
    pub finished: Vec<FinishedStage>,
}

/// A stage that has finished.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FinishedStage {
    /// The stage.
    pub stage: String,
    /// The stage's results.
    #[serde(flatten)]
    pub results: Results,
}

/// The body of `POST /v1/jobs/{job_id}/events`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsRequest {
    /// The `epoch` of the worker's claim.
    pub epoch: u64,
    /// The `seq` of the last response. It makes the post idempotent: a post that is repeated
    /// because its response was lost changes nothing.
    pub after_seq: u64,
    /// The events in their order. An empty array is a heartbeat: it renews the lease.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_EVENTS)))]
    pub events: Vec<WorkerEvent>,
}

/// An event of a job. `type` selects the variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerEvent {
    /// The progress of the running stage. Only the latest is kept.
    ProgressUpdate(WorkerProgress),
    /// A stage has finished. Durable.
    StageComplete(WorkerStageComplete),
    /// The job is complete, even if not all declared stages have run. Its results are those of the
    /// stage that finished last. Durable, the last event of the job.
    JobComplete {},
    /// The job has failed. Durable, the last event of the job.
    JobFailed(WorkerFailure),
    /// The job has stopped after its cancellation was requested. Durable, the last event of the
    /// job.
    JobCancelled(WorkerCancellation),
}

/// The progress of the running stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerProgress {
    /// The running stage, one of those that the claim declared.
    #[serde(deserialize_with = "reading::text")]
    pub stage: String,
    /// Percent of the stage, 0 to 100. Within one claim, a lower value than before is raised to the
    /// one before. To start a stage again or to lower a percentage, claim the job again: that
    /// starts the next attempt at the stage.
    #[serde(deserialize_with = "reading::percent")]
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// What the stage is doing, for display. Cut after 1,024 bytes.
    #[serde(deserialize_with = "reading::text")]
    pub message: String,
    /// Percent of the whole job. If absent, it is computed with equal weights of the stages.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_percent"
    )]
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: Option<u8>,
    /// Seconds until the job ends, at most a year. If absent, it is estimated from the progress.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional::<MAX_REMAINING_SECONDS, _>"
    )]
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_REMAINING_SECONDS)))]
    pub estimated_seconds_remaining: Option<u64>,
}

/// A stage has finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerStageComplete {
    /// The stage, one of those that the claim declared and that have not finished.
    #[serde(deserialize_with = "reading::text")]
    pub stage: String,
    /// The stage's results: any JSON of up to 120 nested arrays and objects. It is stored and sent
    /// byte for byte, numbers included.
    pub results: RawJson,
}

/// The job has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerFailure {
    /// The error.
    #[serde(deserialize_with = "body::job_error")]
    pub error: JobError,
    /// The stage that was running, if any. A stage that the claim did not declare is ignored.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_text"
    )]
    pub stage: Option<String>,
}

/// The job has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerCancellation {
    /// The stage that was running, if any. A stage that the claim did not declare is ignored.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_text"
    )]
    pub stage: Option<String>,
}

/// The response to `POST /v1/jobs/{job_id}/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsAccepted {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of the job's last durable message: `after_seq` of the next post.
    pub seq: u64,
    /// The status of the job.
    pub status: JobStatus,
    /// Whether the cancellation of the job was requested: stop and post `job_cancelled`.
    pub cancel_requested: bool,
    /// When the lease expires. Every accepted post renews it.
    pub lease_expires_at: Timestamp,
}

impl WorkerEvent {
    /// Whether the event is logged with the next `seq`.
    pub const fn is_durable(&self) -> bool {
        !matches!(self, Self::ProgressUpdate(_))
    }

    /// Whether the event ends the job.
    pub const fn ends_the_job(&self) -> bool {
        matches!(
            self,
            Self::JobComplete {} | Self::JobFailed(_) | Self::JobCancelled(_)
        )
    }

    /// The stage that the event refers to.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::ProgressUpdate(progress) => Some(&progress.stage),
            Self::StageComplete(complete) => Some(&complete.stage),
            Self::JobComplete {} => None,
            Self::JobFailed(failure) => failure.stage.as_deref(),
            Self::JobCancelled(cancellation) => cancellation.stage.as_deref(),
        }
    }

    /// Removes the stage from an event that ends the job unless `is_known`, so that an unknown
    /// stage does not prevent the end of the job.
    pub fn forget_stage_unless(&mut self, is_known: impl Fn(&str) -> bool) {
        match self {
            Self::JobFailed(WorkerFailure { stage, .. })
            | Self::JobCancelled(WorkerCancellation { stage }) => {
                stage.take_if(|stage| !is_known(stage));
            }
            Self::ProgressUpdate(_) | Self::StageComplete(_) | Self::JobComplete {} => {}
        }
    }
}
