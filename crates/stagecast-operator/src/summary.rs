//! A job as a line of a list.

use std::collections::BTreeMap;

use serde::Serialize;
use stagecast_contract::{
    ids::JobId,
    messages::{JobError, JobStatus},
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use stagecast_core::models::Job;

/// A job as a line of a list. It has no key and no hash of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobSummary {
    /// The job.
    pub job_id: JobId,
    /// The status that clients see.
    pub status: JobStatus,
    /// The stage that is running or ran last.
    pub stage: Option<String>,
    /// Percent of that stage.
    pub progress: u8,
    /// Percent of the whole job.
    pub overall_progress: u8,
    /// What the stage is doing.
    pub message: String,
    /// The attempt at the stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Seconds until the job ends, while known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_seconds_remaining: Option<u64>,
    /// Whether its cancellation was requested.
    pub cancel_requested: bool,
    /// The queue of external workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The priority in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// The name of the external worker with the latest claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// The owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Why the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The id that all messages and log records of the job have.
    pub correlation_id: String,
    /// When the job was created.
    pub created_at: Timestamp,
    /// When the job last changed.
    pub updated_at: Timestamp,
}

impl JobSummary {
    /// The line of a job.
    pub fn of(job: &Job) -> Self {
        let snapshot = job.snapshot();
        Self {
            job_id: snapshot.job_id,
            status: snapshot.status,
            stage: snapshot.stage,
            progress: snapshot.progress,
            overall_progress: snapshot.overall_progress,
            message: snapshot.message,
            attempt: snapshot.attempt,
            estimated_seconds_remaining: snapshot.estimated_seconds_remaining,
            cancel_requested: job.cancel_requested,
            queue: snapshot.queue,
            priority: job.priority,
            worker_id: job.worker_id.clone(),
            owner: snapshot.owner,
            labels: snapshot.labels,
            error: snapshot.error,
            correlation_id: snapshot.correlation_id,
            created_at: snapshot.created_at,
            updated_at: snapshot.updated_at,
        }
    }
}
