//! Sending a job's log to all of its subscribers again, a bounded number of times.

use contract::{
    functions::Function,
    grants::{Granted, SendMessage, UpdateItem},
    ids::JobId,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    tables::Jobs,
};

use crate::{
    aws::{Queues, SendError},
    models::{Job, SentRange},
    stores::JobStore,
};

/// Has the delivery function send all subscribers the log of `job` after `after_seq`.
///
/// Each event is sent again once: what an earlier task covers stays covered, because the queue
/// keeps it until it is delivered. Otherwise a request that is repeated in a loop would have the log
/// sent to all subscribers each time.
pub(crate) async fn redeliver<F>(
    jobs: &JobStore<F>,
    queues: &Queues<F>,
    job: &Job,
    after_seq: u64,
) -> Result<(), SendError>
where
    F: Function + Granted<UpdateItem<Jobs>> + Granted<SendMessage<DeliveryQueue>>,
{
    let from = SentRange::unsent_after(job.redelivered, after_seq);
    if from >= job.seq {
        return Ok(());
    }
    let task = DeliveryTask::log(job.job_id.clone(), Recipients::AllSubscribers, from);
    let task = task.through(job.seq);
    queues.send::<DeliveryQueue>(&task, 0).await?;
    let sent = SentRange::extended(job.redelivered, from, job.seq);
    record(jobs, &job.job_id, sent).await;
    Ok(())
}

/// Notes what the queue has been given. Without the note, a repeat sends it once more.
pub(crate) async fn record<F>(jobs: &JobStore<F>, job_id: &JobId, sent: SentRange)
where
    F: Function + Granted<UpdateItem<Jobs>>,
{
    if let Err(error) = jobs.record_redelivery(job_id, sent).await {
        tracing::warn!(%error, %job_id, "a redelivery was not noted; a repeat repeats it");
    }
}
