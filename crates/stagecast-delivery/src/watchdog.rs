//! The checks of a job's watchdog: see [`stagecast_core::watchdog`].

use stagecast_contract::{
    ids::JobId,
    messages::JobStatus,
    queues::{JobMessage, JobQueue},
};
use stagecast_core::{
    models::{Job, OwnerQueue, TerminalState},
    stores::StoreError,
    unattended::{SettleError, Settled},
    waiting,
    watchdog::{self, Action},
};

use crate::{context::Context, error::DeliveryError};

/// Seconds until a check is repeated whose table was unavailable. It is repeated by a new message with a
/// receive count of 0, so that an outage makes no dead letter of a watchdog.
const RETRY_SECONDS: i64 = 60;

/// Checks a job, does what it needs, and schedules the next check. `receive_count` is that of the
/// watchdog's message.
pub(crate) async fn check(
    context: &Context,
    job: &Job,
    epoch: Option<u64>,
    receive_count: u32,
) -> Result<(), DeliveryError> {
    match Box::pin(act(context, job, epoch, receive_count)).await {
        Ok(Some(seconds)) => schedule(context, &job.job_id, epoch, seconds).await,
        Ok(None) => Ok(()),
        Err(SettleError::Store(error)) => {
            tracing::warn!(%error, "the watchdog could not check the job; it tries again");
            retry(context, &job.job_id, epoch).await
        }
        Err(SettleError::Send(error)) => Err(error.into()),
    }
}

/// Schedules a check that a table was not available for.
pub(crate) async fn retry(
    context: &Context,
    job_id: &JobId,
    epoch: Option<u64>,
) -> Result<(), DeliveryError> {
    schedule(context, job_id, epoch, RETRY_SECONDS).await
}

async fn schedule(
    context: &Context,
    job_id: &JobId,
    epoch: Option<u64>,
    seconds: i64,
) -> Result<(), DeliveryError> {
    watchdog::schedule(&context.queues, job_id, epoch, seconds).await?;
    Ok(())
}

/// Does what the job needs. Returns the seconds until the next check; none if the watchdog is done.
async fn act(
    context: &Context,
    job: &Job,
    epoch: Option<u64>,
    receive_count: u32,
) -> Result<Option<i64>, SettleError> {
    let unattended = &context.unattended;
    if receive_count > 1 || job.is_committed_without_lease() {
        // The check or the cancellation that committed the last events may have been killed before it
        // notified the subscribers.
        unattended.redeliver(job).await?;
    }
    if !watchdog::is_watched(job, epoch) {
        return Ok(free_slot_of_claim(context, job, epoch).await?);
    }
    let now = context.clock.now();
    let mut job = job.clone();
    let is_over_limit = matches!(watchdog::action(&job, now), Action::Expire(_));
    if watchdog::is_lease_over(&job, now) && !is_over_limit {
        // One settlement, and so one delivery task: two could be delivered in either order.
        let terminal_state = job.cancel_requested.then_some(TerminalState::Cancelled);
        match unattended.settle(&job, terminal_state.as_ref()).await? {
            Settled::Open(settled) => job = *settled,
            settled => return Ok(next_check(context, settled).await?),
        }
    }
    if job.status == JobStatus::Queued && job.epoch > 0 {
        // The request that handed it back may have been killed before it freed the slot.
        free_slot(context, &job).await?;
    }
    Ok(match watchdog::action(&job, now) {
        Action::Retire => None,
        Action::CheckAgain(seconds) => Some(seconds),
        Action::Start(seconds) => {
            tracing::info!("the start of the job is due");
            let message = JobMessage::new(job.job_id);
            context.queues.send::<JobQueue>(&message, 0).await?;
            Some(seconds)
        }
        Action::SendJobMessage(seconds) => {
            tracing::warn!(
                status = job.status.name(),
                epoch = job.epoch,
                "no run holds the job; its job message is sent again",
            );
            let message = JobMessage::from_watchdog(job.job_id);
            context.queues.send::<JobQueue>(&message, 0).await?;
            Some(seconds)
        }
        Action::Enqueue(seconds) => {
            tracing::info!(
                status = job.status.name(),
                epoch = job.epoch,
                "the job waits in its queue"
            );
            waiting::enqueue(&context.waiting, &job).await?;
            if job.status == JobStatus::Running {
                // Its worker has lost the lease. The workers are notified in any case.
                let limit = context.owner_limit;
                context.waiting.free_slot(&job, limit).await?;
            }
            if let Some(queue) = &job.queue {
                context.waker.wake(queue).await;
            }
            Some(seconds)
        }
        Action::End(terminal_state) => {
            let settled = unattended.settle(&job, Some(&terminal_state)).await?;
            next_check(context, settled).await?
        }
        Action::Expire(error) => {
            let settled = unattended.expire(&job, error).await?;
            next_check(context, settled).await?
        }
        Action::GiveUp(error) => {
            let settled = unattended.give_up(&job, error).await?;
            next_check(context, settled).await?
        }
    })
}

/// Frees the slot of the owner that the claim `epoch` has taken, if the process that ended the job or the claim was
/// killed before it did. The seconds until the next check if the claim may still be written.
async fn free_slot_of_claim(
    context: &Context,
    job: &Job,
    epoch: Option<u64>,
) -> Result<Option<i64>, StoreError> {
    let Some(epoch @ 1..) = epoch.filter(|_| OwnerQueue::of(job).is_some()) else {
        return Ok(None);
    };
    if job.status.has_ended() {
        free_slot(context, job).await?;
    } else if job.epoch < epoch {
        let Some(is_freed) = context
            .waiting
            .free_unwritten(job, context.owner_limit)
            .await?
        else {
            return Ok(Some(watchdog::FIRST_CHECK_SECONDS));
        };
        wake_if(context, job, is_freed).await;
    }
    Ok(None)
}

/// Frees the slot of a job that no worker holds, and notifies workers of the next job of its owner.
async fn free_slot(context: &Context, job: &Job) -> Result<(), StoreError> {
    let is_freed = context.waiting.free_slot(job, context.owner_limit).await?;
    wake_if(context, job, is_freed).await;
    Ok(())
}

async fn wake_if(context: &Context, job: &Job, is_freed: bool) {
    if is_freed && let Some(queue) = &job.queue {
        context.waker.wake(queue).await;
    }
}

/// The seconds until the next check of a job that the watchdog tried to end; none if it has ended.
async fn next_check(context: &Context, settled: Settled) -> Result<Option<i64>, StoreError> {
    match settled {
        Settled::Ended(job) => {
            tracing::warn!(status = job.status.name(), "the watchdog has ended the job");
            if job.epoch > 0 {
                free_slot(context, &job).await?;
            }
            Ok(None)
        }
        Settled::Open(_) | Settled::Attended => Ok(Some(watchdog::FIRST_CHECK_SECONDS)),
    }
}
