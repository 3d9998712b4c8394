//! Errors of claims and posts.

use stagecast_contract::{http::HttpErrorCode, messages::JobStatus};
use stagecast_core::{delivery::PublishError, http::ApiError, models::Job, stores::StoreError};

use crate::context::Context;

/// The job has ended.
pub(crate) fn finished(job: &Job) -> ApiError {
    ApiError::new(
        HttpErrorCode::JobAlreadyFinished,
        format!(
            "the job is {}; nothing more can happen to it",
            job.status.name()
        ),
    )
    .with("status", job.status.name())
    .with("seq", job.seq)
}

/// The worker sent `epoch`, which is not that of the job's last claim.
pub(crate) fn lease_lost(job: &Job, epoch: u64) -> ApiError {
    let (job_id, current) = (&job.job_id, job.epoch);
    let message = if epoch > current || job.status == JobStatus::Queued {
        format!(
            "the job has no claim with the epoch {epoch}; claim it with \
             POST /v1/jobs/{job_id}/claim, and send the epoch of the answer"
        )
    } else {
        format!(
            "the job has been claimed since, with the epoch {current}; stop working on it unless \
             that claim is yours"
        )
    };
    ApiError::new(HttpErrorCode::LeaseLost, message)
        .with("epoch", current)
        .with("seq", job.seq)
}

/// Posts of the same worker overlapped. `seq` is that of the job's last durable message.
pub(crate) fn try_again(seq: u64) -> ApiError {
    ApiError::new(
        HttpErrorCode::ConflictRetry,
        "the post met another one at this job; the job is still yours: repeat the post as it is",
    )
    .with("seq", seq)
}

/// The job's log has other events than the worker assumes. `seq` is that of the job's last durable
/// message.
pub(crate) fn seq_conflict(seq: u64) -> ApiError {
    ApiError::new(
        HttpErrorCode::SeqConflict,
        format!(
            "the job's last durable message has the seq {seq}, and what follows `after_seq` is not \
             what was posted; send one post at a time, with the seq of the last answer as \
             after_seq, and repeat a post only as it was"
        ),
    )
    .with("seq", seq)
}

/// Converts the error of a publisher. The events before it, up to `seq`, are published.
///
/// A conditional write fails for several causes, so the current job decides which error it is.
pub(crate) async fn publish_error(
    context: &Context,
    job: &Job,
    error: PublishError,
    seq: u64,
) -> Result<ApiError, StoreError> {
    match error {
        PublishError::LeaseLost => {}
        PublishError::Conflict { .. } => return Ok(seq_conflict(seq)),
        PublishError::Store(error) => return Ok(error.into()),
    }
    Ok(match context.stores.jobs.load(&job.job_id).await? {
        Some(current) if current.status.has_ended() => finished(&current),
        Some(current) if current.epoch != job.epoch => lease_lost(&current, job.epoch),
        // The worker still holds the lease, so it was another post of the same worker.
        _ => try_again(seq),
    })
}
