//! What starts a job that has its input: its message on the queue or its entry in a queue of external workers, and the
//! checks of its watchdog.
//!
//! A job is started in this order, so that a process that is killed between two steps loses no job: the
//! [notification](notify_feed) of its owner's feed, the [first check](schedule_first_check), the [entry](enqueue), the write
//! that queues the job, its [message](send_job_message), and an [early check](schedule_early_check).

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    functions::JobsFunction,
    messages::JobStatus,
    queues::{DeliveryQueue, DeliveryTask, JobMessage, JobQueue},
    tables::WorkQueues,
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{Granted, PutItem, SendMessage, UpdateItem},
    queues::MAX_DELAY_SECONDS,
};

use crate::{
    models::Job,
    stores::{StoreError, WaitingJobStore},
    waiting, watchdog,
};

/// Delay of the task that notifies the feed of the owner: most jobs are stored by then.
const NOTIFY_AFTER_SECONDS: i32 = 1;

/// Seconds after which a creation has ended in any case: the timeout of the function that creates jobs, and what clocks
/// differ.
const CREATION_SECONDS: i64 = JobsFunction::SPEC.timeout_seconds as i64 + 15;

/// Queues the task that notifies the feed of the job's owner, before the job is stored, so that no crash loses it.
pub async fn notify_feed<F>(queues: &Queues<F>, job: &Job, now: Timestamp) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    if job.owner.is_some() {
        let give_up_at = now.plus_seconds(CREATION_SECONDS).epoch_seconds();
        let task = DeliveryTask::created(job.job_id.clone(), give_up_at);
        queues
            .send::<DeliveryQueue>(&task, NOTIFY_AFTER_SECONDS)
            .await?;
    }
    Ok(())
}

/// Schedules the first check of the watchdog before the job is queued, from `queued_at` on, so that every job that
/// needs a watchdog has one.
pub async fn schedule_first_check<F>(
    queues: &Queues<F>,
    job: &Job,
    queued_at: Timestamp,
) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    if let Some((epoch, delay)) = watchdog::first_check(job, queued_at) {
        watchdog::schedule(queues, &job.job_id, epoch, delay).await?;
    }
    Ok(())
}

/// Stores the entry of a job in its queue of external workers, before the job is queued. The watchdog stores the entry of
/// a job with a later start.
pub async fn enqueue<F>(
    waiting_jobs: &WaitingJobStore<F>,
    job: &Job,
    now: Timestamp,
) -> Result<(), StoreError>
where
    F: Function + Granted<PutItem<WorkQueues>> + Granted<UpdateItem<WorkQueues>>,
{
    if job.is_claimable(now) {
        waiting::enqueue(waiting_jobs, job).await?;
    }
    Ok(())
}

/// Sends the message of a queued job of the pipeline, delayed until the job may start. The watchdog sends the
/// message of a start that is further away than SQS's longest delay.
pub async fn send_job_message<F>(
    queues: &Queues<F>,
    job: &Job,
    message: &JobMessage,
    now: Timestamp,
) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<JobQueue>>,
{
    let delay = job.seconds_until_start(now);
    if delay <= MAX_DELAY_SECONDS {
        let delay = i32::try_from(delay).unwrap_or(0);
        queues.send::<JobQueue>(message, delay).await?;
    }
    Ok(())
}

/// Schedules a further check of a queued job whose time in the queue, or the time until its start, is short.
pub async fn schedule_early_check<F>(
    queues: &Queues<F>,
    job: &Job,
    now: Timestamp,
) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    if job.status == JobStatus::Queued
        && let Some(delay) = watchdog::early_check(job, now)
    {
        watchdog::schedule(queues, &job.job_id, Some(job.epoch), delay).await?;
    }
    Ok(())
}
