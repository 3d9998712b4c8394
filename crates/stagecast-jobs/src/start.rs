//! What starts a job that has its input: its message on the queue or its entry in a queue of external workers, and the
//! checks of its watchdog.

use stagecast_contract::{
    messages::JobStatus,
    queues::{JobMessage, JobQueue},
    timestamp::Timestamp,
};
use stagecast_core::{http::ApiError, models::Job, waiting, watchdog};
use typed_contract::queues::MAX_DELAY_SECONDS;

use crate::context::Context;

/// Sends the message of a queued job of the pipeline, delayed until the job may start. The watchdog sends the
/// message of a start that is further away than SQS's longest delay.
pub(crate) async fn send_job_message(
    context: &Context,
    job: &Job,
    message: JobMessage,
) -> Result<(), ApiError> {
    let delay = job.seconds_until_start(context.clock.now());
    if delay <= MAX_DELAY_SECONDS {
        let delay = i32::try_from(delay).unwrap_or(0);
        context.queues.send::<JobQueue>(&message, delay).await?;
    }
    Ok(())
}

/// Stores the entry of a job in its queue of external workers, before the job is queued. The watchdog stores the entry of
/// a job with a later start.
pub(crate) async fn enqueue(context: &Context, job: &Job) -> Result<(), ApiError> {
    if job.is_claimable(context.clock.now()) {
        waiting::enqueue(&context.waiting, job).await?;
    }
    Ok(())
}

/// Notifies workers that listen to the queue of a job that was stored or changed before, if they can claim it.
pub(crate) async fn wake_workers(context: &Context, job: &Job) {
    if job.is_claimable(context.clock.now())
        && let Some(queue) = &job.queue
    {
        context.waker.wake(queue).await;
    }
}

/// Schedules the first check of the watchdog before the job is queued, from `queued_at` on, so that every job that
/// needs a watchdog has one.
pub(crate) async fn schedule_first_check(
    context: &Context,
    job: &Job,
    queued_at: Timestamp,
) -> Result<(), ApiError> {
    if let Some((epoch, delay)) = watchdog::first_check(job, queued_at) {
        watchdog::schedule(&context.queues, &job.job_id, epoch, delay).await?;
    }
    Ok(())
}

/// Schedules a further check of a queued job whose time in the queue, or the time until its start, is short.
pub(crate) async fn schedule_early_check(context: &Context, job: &Job) -> Result<(), ApiError> {
    if job.status == JobStatus::Queued
        && let Some(delay) = watchdog::early_check(job, context.clock.now())
    {
        let epoch = Some(job.epoch);
        watchdog::schedule(&context.queues, &job.job_id, epoch, delay).await?;
    }
    Ok(())
}
