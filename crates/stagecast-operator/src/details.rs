//! Everything about one job that an operator asks first.

use std::collections::BTreeMap;

use serde::Serialize;
use stagecast_contract::{
    ids::{JobId, RequestId},
    messages::{Artifact, JobError, JobStatus, ServerMessage},
    timestamp::Timestamp,
};
use stagecast_core::models::{Event, Job, StoredCheckpoint};

use crate::{Operator, OperatorError, summary::JobSummary};

/// Subscribers that are counted at most.
pub const MAX_SUBSCRIBERS: usize = 10_000;

/// Everything about one job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobDetails {
    /// The job as a line of a list.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// The status in the item, which is `queued` between two runs of a running job.
    pub stored_status: JobStatus,
    /// The number of the last committed event.
    pub seq: u64,
    /// The latest claim; none before the first one.
    pub claim: Option<LatestClaim>,
    /// The attempts.
    pub attempts: Attempts,
    /// The times of the job.
    pub times: Times,
    /// The time limits.
    pub limits: Limits,
    /// The input.
    pub input: InputState,
    /// The finished stages, with the `seq` of their results.
    pub finished_stages: BTreeMap<String, u64>,
    /// The last checkpoint of the running stage.
    pub checkpoint: Option<CheckpointState>,
    /// The files that the job has produced.
    pub artifacts: Vec<Artifact>,
    /// The number of subscribers, at most [`MAX_SUBSCRIBERS`].
    pub subscribers: usize,
    /// The durable messages.
    pub log: Vec<LogEntry>,
    /// The request that created the job.
    pub request_id: RequestId,
    /// The job that this one retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// The job that retries this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried_as: Option<JobId>,
}

/// The latest claim of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LatestClaim {
    /// The number of claims.
    pub epoch: u64,
    /// What made the claim.
    pub holder: Holder,
    /// When its lease ends, or has ended.
    pub lease_expires_at: Timestamp,
    /// Whether the job runs and the lease has not ended.
    pub is_held: bool,
}

/// What claims a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A run of the pipeline function.
    Pipeline,
    /// An external worker, with its name if it gave one.
    ExternalWorker(Option<String>),
}

/// The attempts at a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// The attempt at the current stage, 0 before the first stage.
    pub at_stage: u32,
    /// The most attempts at the stage, if it was attempted again.
    pub max_at_stage: Option<u32>,
    /// When the next attempt starts, while the job waits for it.
    pub retry_at: Option<Timestamp>,
    /// The claims since the last progress that was stored.
    pub without_progress: u32,
    /// The epochs of runs that were alive when they lost their lease.
    pub lost_leases: Vec<u64>,
}

/// The times of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Times {
    /// When it was created.
    pub created_at: Timestamp,
    /// When it may start.
    pub run_at: Option<Timestamp>,
    /// When it was claimed for the first time.
    pub started_at: Option<Timestamp>,
    /// When it last changed; the end of a job that has ended.
    pub updated_at: Timestamp,
    /// When it is deleted.
    pub expires_at: Timestamp,
}

/// The time limits of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Seconds until the first claim.
    pub queue_seconds: Option<u64>,
    /// Seconds from the first claim to the end.
    pub run_seconds: Option<u64>,
    /// The last second of the limit that applies now.
    pub ends_at: Option<Timestamp>,
}

/// The input of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputState {
    /// The media type.
    pub content_type: String,
    /// Whether the job has parameters.
    pub has_parameters: bool,
    /// When an upload that is not complete expires.
    pub upload_expires_at: Option<Timestamp>,
    /// Why the upload has failed.
    pub upload_failure: Option<JobError>,
}

/// The last checkpoint of a running stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointState {
    /// The stage.
    pub stage: String,
    /// Percent of the stage.
    pub percent: u8,
    /// What the stage was doing.
    pub message: String,
    /// The claim that stored it.
    pub epoch: u64,
    /// The key of the object with the state, if it is in the bucket.
    pub object: Option<String>,
}

/// A durable message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Its number.
    pub seq: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its stage.
    pub stage: Option<String>,
    /// When it was written.
    pub timestamp: Option<Timestamp>,
    /// The claim that wrote it.
    pub epoch: u64,
    /// Whether it counts. An event that was logged and not committed may still be discarded.
    pub is_committed: bool,
}

impl LogEntry {
    fn of(event: &Event, last: u64) -> Self {
        let message = serde_json::from_str::<ServerMessage>(&event.message).ok();
        let (kind, stage, timestamp) = match message {
            Some(ServerMessage::StageComplete(it)) => {
                ("stage_complete", Some(it.stage), Some(it.timestamp))
            }
            Some(ServerMessage::JobComplete(it)) => ("job_complete", None, Some(it.timestamp)),
            Some(ServerMessage::JobFailed(it)) => ("job_failed", it.stage, Some(it.timestamp)),
            Some(ServerMessage::JobCancelled(it)) => {
                ("job_cancelled", it.stage, Some(it.timestamp))
            }
            _ => ("of another version", None, None),
        };
        Self {
            seq: event.seq,
            kind: kind.to_owned(),
            stage,
            timestamp,
            epoch: event.epoch,
            is_committed: event.seq <= last,
        }
    }
}

impl Operator {
    /// Reads everything about a job. The job is read before its log, so the log is at least as new.
    pub async fn details(&self, job_id: &JobId) -> Result<JobDetails, OperatorError> {
        let job = self.load(job_id).await?;
        // One event more than the job's `seq` may have been logged.
        let last = job.seq + 1;
        let (events, checkpoint, artifacts, subscribers) = tokio::try_join!(
            self.events.between(job_id, 0, last),
            self.events.checkpoint(job_id),
            self.artifacts.load(&job),
            self.subscriptions.page(job_id, None, MAX_SUBSCRIBERS),
        )?;
        Ok(JobDetails {
            log: events.iter().map(|it| LogEntry::of(it, job.seq)).collect(),
            checkpoint: checkpoint
                .filter(|it| !job.status.has_ended() && it.has_state())
                .map(checkpoint_state),
            artifacts: artifacts.all(),
            subscribers: subscribers.subscribers.len(),
            ..self.without_log(job)
        })
    }

    fn without_log(&self, job: Job) -> JobDetails {
        let now = self.clock.now();
        JobDetails {
            summary: JobSummary::of(&job),
            stored_status: job.status,
            seq: job.seq,
            claim: (job.epoch > 0).then(|| LatestClaim {
                epoch: job.epoch,
                holder: if job.is_external() {
                    Holder::ExternalWorker(job.worker_id.clone())
                } else {
                    Holder::Pipeline
                },
                lease_expires_at: Timestamp::from_epoch_seconds(job.lease_expires_at),
                is_held: job.status == JobStatus::Running && !job.is_unattended(now),
            }),
            attempts: Attempts {
                at_stage: job.attempt,
                max_at_stage: job.max_attempts,
                retry_at: job.retry_at,
                without_progress: job.attempts_without_progress,
                lost_leases: job.lost_leases.clone(),
            },
            times: Times {
                created_at: job.created_at,
                run_at: job.run_at,
                started_at: job.started_at,
                updated_at: job.updated_at,
                expires_at: Timestamp::from_epoch_seconds(job.expires_at),
            },
            limits: Limits {
                queue_seconds: job.queue_seconds,
                run_seconds: job.run_seconds,
                ends_at: job.time_limit().filter(|_| !job.status.has_ended()),
            },
            input: InputState {
                content_type: job.content_type.clone(),
                has_parameters: job.has_parameters,
                upload_expires_at: job.upload.as_ref().map(|upload| upload.expires_at),
                upload_failure: job.upload_failure().cloned(),
            },
            finished_stages: job.checkpoints.clone(),
            checkpoint: None,
            artifacts: Vec::new(),
            subscribers: 0,
            log: Vec::new(),
            request_id: job.request_id,
            retry_of: job.retry_of,
            retried_as: job.retried_as,
        }
    }
}

fn checkpoint_state(checkpoint: StoredCheckpoint) -> CheckpointState {
    CheckpointState {
        stage: checkpoint.stage,
        percent: checkpoint.percent,
        message: checkpoint.message,
        epoch: checkpoint.epoch,
        object: checkpoint.object,
    }
}
