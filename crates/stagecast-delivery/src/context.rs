//! What the tasks share: clients and stores.

use std::sync::Arc;

use granted_aws::{ConnectionsApi, Environment, Objects, Queues};
use stagecast_contract::{
    environment::MaxRunningPerOwner,
    functions::DeliveryFunction,
    worker_queues::{InvalidOwnerLimit, OwnerLimit},
};
use stagecast_core::{
    clock::Clock,
    delivery::{ConnectionMaintainer, QueueWaker, Stores},
    stores::{EventStore, JobStore, SubscriptionStore, UploadStore, WaitingJobStore},
    unattended::Unattended,
};

/// Clients and stores of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) jobs: JobStore<DeliveryFunction>,
    pub(crate) events: EventStore<DeliveryFunction>,
    pub(crate) waiting: WaitingJobStore<DeliveryFunction>,
    pub(crate) waker: QueueWaker<DeliveryFunction>,
    /// The limit of running jobs of each owner in each queue of external workers.
    pub(crate) owner_limit: Option<OwnerLimit>,
    pub(crate) unattended: Unattended<DeliveryFunction>,
    pub(crate) uploads: UploadStore<DeliveryFunction>,
    pub(crate) subscriptions: SubscriptionStore<DeliveryFunction>,
    pub(crate) connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>,
    pub(crate) queues: Queues<DeliveryFunction>,
    pub(crate) api: ConnectionsApi<DeliveryFunction>,
    pub(crate) clock: Clock,
}

/// The setting `MAX_RUNNING_PER_OWNER` has an invalid value.
#[derive(Debug, thiserror::Error)]
#[error("MAX_RUNNING_PER_OWNER is not valid: {0}; deploy the template of this version")]
pub struct InvalidSetting(#[from] InvalidOwnerLimit);

impl Context {
    pub(crate) fn new(
        config: &granted_aws::Aws,
        environment: &Environment<DeliveryFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let owner_limit = OwnerLimit::parse(environment.get::<MaxRunningPerOwner>())?;
        let Stores {
            jobs,
            events,
            parameters: _,
            artifacts: _,
            waiting,
            subscriptions,
            connections,
            listeners,
            queues,
            api,
            clock,
        } = Stores::new(config, environment, clock);
        Ok(Self {
            owner_limit,
            unattended: Unattended::new(
                jobs.clone(),
                events.clone(),
                waiting.clone(),
                queues.clone(),
                clock.clone(),
            ),
            uploads: UploadStore::new(Objects::new(config, environment)),
            jobs,
            events,
            waiting,
            waker: QueueWaker::new(listeners, api.clone(), clock.clone()),
            subscriptions,
            connection_maintainer: Arc::new(ConnectionMaintainer::new(connections, queues.clone())),
            queues,
            api,
            clock,
        })
    }
}
