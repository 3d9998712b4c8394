//! The checks of the upload of a job's input: see [`stagecast_core::upload_deadline`].

use stagecast_contract::ids::JobId;
use stagecast_core::{
    models::{Job, TerminalState},
    unattended::{SettleError, Settled},
    upload_deadline::{self, Action},
    watchdog::FIRST_CHECK_SECONDS,
};

use crate::{context::Context, error::DeliveryError};

/// Seconds until a check is repeated whose table was unavailable.
const RETRY_SECONDS: i64 = 60;

/// Checks the upload of a job and schedules the next check. `receive_count` is that of the check's message.
pub(crate) async fn check(
    context: &Context,
    job: &Job,
    receive_count: u32,
) -> Result<(), DeliveryError> {
    match act(context, job, receive_count).await {
        Ok(Some(seconds)) => schedule(context, &job.job_id, seconds).await,
        Ok(None) => Ok(()),
        Err(SettleError::Store(error)) => {
            tracing::warn!(%error, "the upload could not be checked; it is checked again");
            retry(context, &job.job_id).await
        }
        Err(SettleError::Send(error)) => Err(error.into()),
    }
}

/// Schedules a check that a table was not available for.
pub(crate) async fn retry(context: &Context, job_id: &JobId) -> Result<(), DeliveryError> {
    schedule(context, job_id, RETRY_SECONDS).await
}

async fn schedule(context: &Context, job_id: &JobId, seconds: i64) -> Result<(), DeliveryError> {
    upload_deadline::schedule(&context.queues, job_id, seconds).await?;
    Ok(())
}

/// Does what the job needs. Returns the seconds until the next check; none if this was the last one.
async fn act(context: &Context, job: &Job, receive_count: u32) -> Result<Option<i64>, SettleError> {
    let unattended = &context.unattended;
    let action = upload_deadline::action(job, context.clock.now());
    if action == Action::Abort && (receive_count > 1 || job.is_committed_without_lease()) {
        // The request or the check that ended the job may have been killed before it notified the
        // subscribers.
        unattended.redeliver(job).await?;
    }
    let settled = match action {
        Action::Retire => return Ok(None),
        Action::CheckAgain(seconds) => return Ok(Some(seconds)),
        Action::Abort => {
            abort(context, job).await;
            return Ok(None);
        }
        Action::Cancel => {
            let end = TerminalState::Cancelled;
            unattended.settle(job, Some(&end)).await?
        }
        Action::Fail(failure) => {
            let Some(failed) = context.jobs.fail_upload(job, &failure).await? else {
                return Ok(Some(FIRST_CHECK_SECONDS));
            };
            let failure = failed.upload_failure().cloned().unwrap_or(failure);
            let end = TerminalState::Failed(failure);
            unattended.settle(&failed, Some(&end)).await?
        }
    };
    match settled {
        Settled::Ended(job) => {
            tracing::info!(status = job.status.name(), "the job ends without its input");
            abort(context, &job).await;
            Ok(None)
        }
        Settled::Open(_) | Settled::Attended => Ok(Some(FIRST_CHECK_SECONDS)),
    }
}

/// Aborts the upload of a job that has ended. A failure is only logged: the bucket's lifecycle rule deletes
/// the parts as well.
async fn abort(context: &Context, job: &Job) {
    if let Some(upload) = &job.upload
        && let Err(error) = context.uploads.abort(&job.job_id, upload).await
    {
        tracing::warn!(%error, "an upload could not be aborted; S3 deletes its parts later");
    }
}
