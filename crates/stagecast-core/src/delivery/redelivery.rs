//! Sends a job's log to all subscribers again, each event at most once more.

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    tables::Jobs,
};
use typed_contract::{
    functions::Function,
    grants::{Granted, SendMessage, UpdateItem},
};

use crate::{
    models::{Job, SentRange},
    stores::JobStore,
};

/// Queues a task that sends the log of `job` after `after_seq` to all subscribers.
///
/// Events that an earlier task covers are not sent again, because the queue keeps that task until it is
/// delivered. Otherwise, a request that a client repeats in a loop would send the log each time.
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

/// Records the queued range in the job's item. If that fails, a repeated request queues it once more.
pub(crate) async fn record<F>(jobs: &JobStore<F>, job_id: &JobId, sent: SentRange)
where
    F: Function + Granted<UpdateItem<Jobs>>,
{
    if let Err(error) = jobs.record_redelivery(job_id, sent).await {
        tracing::warn!(%error, %job_id, "a redelivery could not be recorded; a repeated request queues it again");
    }
}
