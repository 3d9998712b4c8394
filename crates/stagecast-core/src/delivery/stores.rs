//! The stores of a function that sends messages, assembled in one place.

use granted_aws::{Aws, ConnectionsApi, Database, Environment, Queues, SendError};
use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    tables::Jobs,
};
use typed_contract::{
    environment::WebSocketApi,
    functions::Function,
    grants::{GetItem, Granted, PostToConnection, SendMessage, UpdateItem},
};

use super::redelivery;
use crate::{
    clock::Clock,
    stores::{
        ArtifactStore, ConnectionStore, EventStore, JobStore, ParameterStore, QueueListenerStore,
        SubscriptionStore, WaitingJobStore,
    },
};

/// The stores, queues and `@connections` of a function that sends messages to connections.
///
/// Results are not here: their store is built on the S3 client, which only functions with a grant on
/// the bucket should link and construct.
#[derive(Debug)]
pub struct Stores<F> {
    /// Items of `jobs`.
    pub jobs: JobStore<F>,
    /// The log of durable messages.
    pub events: EventStore<F>,
    /// The parameters of jobs.
    pub parameters: ParameterStore<F>,
    /// The lists of artifacts of jobs.
    pub artifacts: ArtifactStore<F>,
    /// The jobs that wait in the queues of external workers.
    pub waiting: WaitingJobStore<F>,
    /// Subscriptions of connections to jobs.
    pub subscriptions: SubscriptionStore<F>,
    /// Connections and their expiry.
    pub connections: ConnectionStore<F>,
    /// The workers that listen to queues.
    pub listeners: QueueListenerStore<F>,
    /// The queues of jobs and of delivery tasks.
    pub queues: Queues<F>,
    /// Posts to connections.
    pub api: ConnectionsApi<F>,
    /// The clock that every store uses.
    pub clock: Clock,
}

impl<F> Stores<F>
where
    F: Function + Granted<PostToConnection<WebSocketApi>>,
{
    /// The stores of the stack that `environment` describes.
    pub fn new(config: &Aws, environment: &Environment<F>, clock: Clock) -> Self {
        let database = Database::new(config, environment);
        Self {
            jobs: JobStore::new(database.clone(), clock.clone()),
            events: EventStore::new(database.clone()),
            parameters: ParameterStore::new(database.clone()),
            artifacts: ArtifactStore::new(database.clone(), clock.clone()),
            waiting: WaitingJobStore::new(database.clone(), clock.clone()),
            subscriptions: SubscriptionStore::new(database.clone(), clock.clone()),
            connections: ConnectionStore::new(database.clone(), clock.clone()),
            listeners: QueueListenerStore::new(database, clock.clone()),
            queues: Queues::new(config, environment),
            api: ConnectionsApi::new(config, environment),
            clock,
        }
    }
}

impl<F> Stores<F>
where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<SendMessage<DeliveryQueue>>,
{
    /// Queues a task that sends the log after `after_seq` to all subscribers, because it is unknown how much
    /// of it an interrupted run or request has sent. Clients deduplicate by `seq`.
    pub async fn redeliver(&self, job_id: &JobId, after_seq: u64) -> Result<(), SendError> {
        let job = self.jobs.load(job_id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, %job_id, "the job could not be read; the whole log is sent again");
            None
        });
        if let Some(job) = job {
            return redelivery::redeliver(&self.jobs, &self.queues, &job, after_seq).await;
        }
        let task = DeliveryTask::log(job_id.clone(), Recipients::AllSubscribers, after_seq);
        self.queues.send::<DeliveryQueue>(&task, 0).await
    }
}
