//! Where a publisher writes, and what it sends with.

use contract::{
    functions::Function,
    grants::{GetItem, Granted, SendMessage, UpdateItem},
    ids::JobId,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    tables::Jobs,
};

use crate::{
    aws::{ConnectionsApi, Queues, SendError},
    clock::Clock,
    redelivery,
    stores::{ConnectionStore, EventStore, JobStore, ResultStore, SubscriptionStore},
};

/// Where a publisher writes, and what it sends with.
#[derive(Debug)]
pub struct Stores<F> {
    /// The jobs.
    pub jobs: JobStore<F>,
    /// The log.
    pub events: EventStore<F>,
    /// The subscriptions.
    pub subscriptions: SubscriptionStore<F>,
    /// The connections.
    pub connections: ConnectionStore<F>,
    /// The bucket, for large results.
    pub results: ResultStore<F>,
    /// The queues, for what is left to the delivery function.
    pub queues: Queues<F>,
    /// `@connections`.
    pub api: ConnectionsApi<F>,
    /// The time.
    pub clock: Clock,
}

impl<F> Stores<F>
where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<SendMessage<DeliveryQueue>>,
{
    /// Has the delivery function send all subscribers the log after `after_seq`: it is not known how
    /// much of it a run or a post that was cut short has sent. Clients drop what they have by its
    /// `seq`, and each event is sent again once.
    pub async fn redeliver(&self, job_id: &JobId, after_seq: u64) -> Result<(), SendError> {
        let job = self.jobs.load(job_id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, %job_id, "the job could not be read; the log is sent again in full");
            None
        });
        if let Some(job) = job {
            return redelivery::redeliver(&self.jobs, &self.queues, &job, after_seq).await;
        }
        let pointer = DeliveryTask::log(job_id.clone(), Recipients::AllSubscribers, after_seq);
        self.queues.send::<DeliveryQueue>(&pointer, 0).await
    }
}
