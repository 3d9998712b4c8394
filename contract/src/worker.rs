//! What a worker of its own says to run a job, and what it is told. Such a worker is any program,
//! in any language, that holds a job's worker key.

mod body;

use serde::{Deserialize, Serialize};

pub use self::body::{EVENT_TYPES, InvalidBody};
#[cfg(feature = "schema")]
use crate::limits::{MAX_EVENTS, MAX_NAME_BYTES, MAX_STAGES};
use crate::{
    ids::JobId,
    json::RawJson,
    limits::MAX_REMAINING_SECONDS,
    messages::{JobError, JobStatus, Results},
    reading,
    timestamp::Timestamp,
};

/// What a name consists of.
#[cfg(feature = "schema")]
const NAME_PATTERN: &str = "^[A-Za-z0-9_-]+$";

/// The body of `POST /v1/jobs/{job_id}/claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimRequest {
    /// The stages that the worker runs, in their order. Each counts the same for the overall
    /// progress, unless the worker gives that itself. No name twice.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = MAX_STAGES),
            inner(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
        )
    )]
    pub stages: Vec<String>,
    /// The worker's own name, if it has one that no other worker has. It gets its job back at once
    /// with it, after a restart or a lost answer, instead of waiting for its lease to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
    )]
    pub worker_id: Option<String>,
}

/// The answer to `POST /v1/jobs/{job_id}/claim`: the job is the worker's.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claimed {
    /// The job.
    pub job_id: JobId,
    /// The number of this claim. Every post carries it; a later claim ends its validity.
    pub epoch: u64,
    /// The `seq` of the job's last durable message: `after_seq` of the first post.
    pub seq: u64,
    /// Whether someone has asked the job to stop: post `job_cancelled`.
    pub cancel_requested: bool,
    /// The media type of the input.
    pub content_type: String,
    /// Until when the job is the worker's. Every post that is accepted renews it.
    pub lease_expires_at: Timestamp,
    /// The stages that an earlier worker has finished, in their order, with their results or, when
    /// they are large, with their address: the worker key opens it. They cannot be run again.
    pub finished: Vec<FinishedStage>,
}

/// A stage that has finished.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FinishedStage {
    /// The stage.
    pub stage: String,
    /// What it found.
    #[serde(flatten)]
    pub results: Results,
}

/// The body of `POST /v1/jobs/{job_id}/events`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsRequest {
    /// The number of the worker's claim.
    pub epoch: u64,
    /// The `seq` of the last answer. It says where the events belong, so that the same post, sent
    /// again because its answer was lost, changes nothing.
    pub after_seq: u64,
    /// What happened, in its order. None is a heartbeat: it renews the lease.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_EVENTS)))]
    pub events: Vec<WorkerEvent>,
}

/// Something that happened to a job. `type` selects the variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerEvent {
    /// How far a running stage is. Only the latest counts.
    ProgressUpdate(WorkerProgress),
    /// A stage has finished. Durable.
    StageComplete(WorkerStageComplete),
    /// The job is done, whether all its stages have run or not; its results are those of the stage
    /// that has finished last. Durable, the last event of the job.
    JobComplete {},
    /// The job has failed. Durable, the last event of the job.
    JobFailed(WorkerFailure),
    /// The job has stopped because someone has asked it to. Durable, the last event of the job.
    JobCancelled(WorkerCancellation),
}

/// How far a running stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerProgress {
    /// The running stage, one of those that the claim named.
    #[serde(deserialize_with = "reading::text")]
    pub stage: String,
    /// Percent of the stage, 0 to 100. Less than before counts as what was before, within one claim.
    /// To start a stage again, or to correct a percentage, claim the job again: that is the next
    /// attempt at the stage.
    #[serde(deserialize_with = "reading::percent")]
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// What the stage is doing, for a person. More than 1,024 bytes are cut.
    #[serde(deserialize_with = "reading::text")]
    pub message: String,
    /// Percent of the whole job, if the worker knows better than that all stages count the same.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_percent"
    )]
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: Option<u8>,
    /// Seconds until the job ends, if the worker knows; else they are estimated from its progress. At
    /// most a year.
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
    /// The stage, one of those that the claim named, and not finished yet.
    #[serde(deserialize_with = "reading::text")]
    pub stage: String,
    /// What the stage found; any JSON of up to 120 nested arrays and objects. It is passed on byte
    /// for byte, numbers included.
    pub results: RawJson,
}

/// The job has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerFailure {
    /// Why.
    #[serde(deserialize_with = "body::job_error")]
    pub error: JobError,
    /// The stage that was running, if one was. A stage that the claim has not named is ignored.
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
    /// The stage that was running, if one was. A stage that the claim has not named is ignored.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_text"
    )]
    pub stage: Option<String>,
}

/// The answer to `POST /v1/jobs/{job_id}/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsAccepted {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of the job's last durable message: `after_seq` of the next post.
    pub seq: u64,
    /// Where the job is in its life.
    pub status: JobStatus,
    /// Whether someone has asked the job to stop: post `job_cancelled`.
    pub cancel_requested: bool,
    /// Until when the job is the worker's. Every post that is accepted renews it.
    pub lease_expires_at: Timestamp,
}

impl WorkerEvent {
    /// Whether the event is logged, and takes the next `seq`.
    pub const fn is_durable(&self) -> bool {
        !matches!(self, Self::ProgressUpdate(_))
    }

    /// Whether the job ends with it.
    pub const fn ends_the_job(&self) -> bool {
        matches!(
            self,
            Self::JobComplete {} | Self::JobFailed(_) | Self::JobCancelled(_)
        )
    }

    /// The stage that the event is about.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::ProgressUpdate(progress) => Some(&progress.stage),
            Self::StageComplete(complete) => Some(&complete.stage),
            Self::JobComplete {} => None,
            Self::JobFailed(failure) => failure.stage.as_deref(),
            Self::JobCancelled(cancellation) => cancellation.stage.as_deref(),
        }
    }

    /// Forgets the stage of an event that ends the job unless `is_known`: the job ends all the same.
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
