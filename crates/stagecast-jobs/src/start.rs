//! [`stagecast_core::starting`] with the clients of this function, and the notification of workers.

use stagecast_contract::{queues::JobMessage, timestamp::Timestamp};
use stagecast_core::{http::ApiError, models::Job, starting};

use crate::context::Context;

pub(crate) async fn send_job_message(
    context: &Context,
    job: &Job,
    message: JobMessage,
) -> Result<(), ApiError> {
    let now = context.clock.now();
    Ok(starting::send_job_message(&context.queues, job, &message, now).await?)
}

pub(crate) async fn enqueue(context: &Context, job: &Job) -> Result<(), ApiError> {
    Ok(starting::enqueue(&context.waiting, job, context.clock.now()).await?)
}

/// Notifies workers that listen to the queue of a job that was stored or changed before, if they can claim it.
pub(crate) async fn wake_workers(context: &Context, job: &Job) {
    if job.is_claimable(context.clock.now())
        && let Some(queue) = &job.queue
    {
        context.waker.wake(queue).await;
    }
}

/// Notifies the feed of the job's owner, as soon as the job is stored.
pub(crate) async fn notify_feed(context: &Context, job: &Job) -> Result<(), ApiError> {
    Ok(starting::notify_feed(&context.queues, job, context.clock.now()).await?)
}

pub(crate) async fn schedule_first_check(
    context: &Context,
    job: &Job,
    queued_at: Timestamp,
) -> Result<(), ApiError> {
    Ok(starting::schedule_first_check(&context.queues, job, queued_at).await?)
}

pub(crate) async fn schedule_early_check(context: &Context, job: &Job) -> Result<(), ApiError> {
    Ok(starting::schedule_early_check(&context.queues, job, context.clock.now()).await?)
}
