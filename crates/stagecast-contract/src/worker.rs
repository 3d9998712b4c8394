//! Requests and responses of the routes for external workers. An external worker is any program, in
//! any language, that holds a job's worker key.

pub(crate) mod body;
mod checkpoint;
mod queue_claim;

use std::collections::BTreeMap;

use raw_json::RawJson;
use serde::{Deserialize, Serialize};

pub use self::{
    body::{EVENT_TYPES, InvalidBody, check_name},
    checkpoint::{CheckpointEvent, WorkerCheckpoint},
    queue_claim::{QueueClaimRequest, ReleaseRequest, Released},
};
#[cfg(feature = "schema")]
use crate::limits::{MAX_ARTIFACTS, MAX_EVENTS, MAX_NAME_BYTES, MAX_STAGES};
use crate::{
    ids::{JobId, WorkerKey},
    limits::{MAX_REMAINING_SECONDS, MAX_WORK_AMOUNT, MAX_WORKER_ATTEMPTS},
    messages::{Artifact, JobError, JobStatus, Results, WorkAmount},
    reading,
    timestamp::Timestamp,
    worker_queues::QueueName,
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

/// The response to `POST /v1/jobs/{job_id}/claim` and `POST /v1/queues/{queue}/claim`: the worker holds the job's
/// lease.
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
    /// The parameters of the job as they were sent; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<RawJson>,
    /// The labels of the job; absent if it has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When the lease expires. Every accepted post renews it.
    pub lease_expires_at: Timestamp,
    /// The stages that earlier claims have finished, in their order, with their results or, if
    /// these are large, their URL, which the worker key authorizes. They cannot run again.
    pub finished: Vec<FinishedStage>,
    /// The number of this attempt at the job: 1 for the first claim, and again for the first claim after a stage
    /// has finished. Claims that were released do not count. The fourth attempt fails the job.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub attempt: u32,
    /// When the job was created.
    pub created_at: Timestamp,
    /// When the job fails with `job_timed_out`, unless it has ended; absent if its run is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_until: Option<Timestamp>,
    /// The queue of the job; absent if it was created without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The priority of the job in its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = 9)))]
    pub priority: Option<u8>,
    /// Authorizes the worker to run the job until a later claim from the queue; present in the response to a
    /// claim from a queue. Returned only here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_key: Option<WorkerKey>,
    /// The URL of the WebSocket API, to connect and listen to the queue; present in the response to a claim from a
    /// queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket_url: Option<String>,
    /// The last checkpoint of the stage that was running. The stage continues from it, in the same attempt.
    /// Absent if there is none, or if its stage has finished since.
    pub checkpoint: Option<WorkerCheckpoint>,
    /// The artifacts that the job has so far.
    pub artifacts: Vec<Artifact>,
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
    /// The state of the running stage, from which the next claim continues it. Only the latest is kept, and it is
    /// not sent to subscribers.
    Checkpoint(CheckpointEvent),
    /// A stage has finished. Durable.
    StageComplete(WorkerStageComplete),
    /// The job is complete, even if not all declared stages have run. Its results are those of the
    /// stage that finished last. Durable, the last event of the job.
    JobComplete(WorkerJobComplete),
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
    /// The amount of work that is done, in `unit`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional::<MAX_WORK_AMOUNT, _>"
    )]
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_WORK_AMOUNT)))]
    pub completed: Option<u64>,
    /// The whole amount of work, in `unit`, at least `completed`. If absent, it is unknown.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional::<MAX_WORK_AMOUNT, _>"
    )]
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_WORK_AMOUNT)))]
    pub total: Option<u64>,
    /// The plural of what is counted, for display, such as `rows`. Cut after 32 bytes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_text"
    )]
    pub unit: Option<String>,
    /// Whether the worker does not know how much work there is. Repeat the last `progress` meanwhile. The
    /// remaining time is then known only from earlier jobs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indeterminate: bool,
    /// The number of the attempt at the stage, from 1, for a worker that attempts a stage again within a claim.
    /// A higher number than before starts an attempt, whose percentages start again; a lower one is raised to
    /// the one before. If absent, only a new claim starts the next attempt.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional::<MAX_WORKER_ATTEMPTS, _>"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_WORKER_ATTEMPTS)))]
    pub attempt: Option<u64>,
    /// The number of attempts that the stage has. Subscribers see it from the second attempt.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional::<MAX_WORKER_ATTEMPTS, _>"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_WORKER_ATTEMPTS)))]
    pub max_attempts: Option<u64>,
    /// When `attempt`, which is required with it, starts: at most 15 minutes ahead. The next update without it
    /// ends the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

impl WorkerProgress {
    /// How much of the stage's work is done, in its own unit.
    pub fn work(&self) -> WorkAmount {
        WorkAmount {
            completed: self.completed,
            total: self.total,
            unit: self.unit.clone(),
            indeterminate: self.indeterminate,
        }
    }
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
    /// The artifacts of the stage, whose contents are uploaded: see `POST /v1/jobs/{job_id}/artifacts`. One of
    /// an earlier stage with the same name is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_ARTIFACTS)))]
    pub artifacts: Vec<Artifact>,
}

/// The job is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerJobComplete {
    /// Artifacts beyond those of the stages, whose contents are uploaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_ARTIFACTS)))]
    pub artifacts: Vec<Artifact>,
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

/// The body of `POST /v1/jobs/{job_id}/artifacts`: an artifact that the worker is about to upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArtifactRequest {
    /// The `epoch` of the worker's claim.
    pub epoch: u64,
    /// The artifact.
    #[serde(flatten)]
    pub artifact: Artifact,
}

/// The response to `POST /v1/jobs/{job_id}/artifacts`: where the content of the artifact is sent, by an HTTP
/// PUT. The artifact belongs to the job once an event lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArtifactUpload {
    /// The job.
    pub job_id: JobId,
    /// The presigned URL of the PUT. It authorizes its holder to send this content, without a key.
    pub url: String,
    /// The headers of the PUT. The signature covers them, so send exactly these.
    pub headers: BTreeMap<String, String>,
    /// When the URL expires. A PUT that has begun goes on after it.
    pub url_expires_at: Timestamp,
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
        !matches!(self, Self::ProgressUpdate(_) | Self::Checkpoint(_))
    }

    /// Whether the event ends the job.
    pub const fn ends_the_job(&self) -> bool {
        matches!(
            self,
            Self::JobComplete(_) | Self::JobFailed(_) | Self::JobCancelled(_)
        )
    }

    /// The artifacts that the event attaches to the job.
    pub fn artifacts(&self) -> &[Artifact] {
        match self {
            Self::StageComplete(complete) => &complete.artifacts,
            Self::JobComplete(complete) => &complete.artifacts,
            Self::ProgressUpdate(_)
            | Self::Checkpoint(_)
            | Self::JobFailed(_)
            | Self::JobCancelled(_) => &[],
        }
    }

    /// The stage that the event refers to.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::ProgressUpdate(progress) => Some(&progress.stage),
            Self::Checkpoint(checkpoint) => Some(&checkpoint.stage),
            Self::StageComplete(complete) => Some(&complete.stage),
            Self::JobComplete(_) => None,
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
            Self::ProgressUpdate(_)
            | Self::Checkpoint(_)
            | Self::StageComplete(_)
            | Self::JobComplete(_) => {}
        }
    }
}
