//! What the tasks share: clients and stores.

use std::sync::Arc;

use granted_aws::{ConnectionsApi, Environment, Objects, Queues};
use stagecast_contract::functions::DeliveryFunction;
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
    pub(crate) unattended: Unattended<DeliveryFunction>,
    pub(crate) uploads: UploadStore<DeliveryFunction>,
    pub(crate) subscriptions: SubscriptionStore<DeliveryFunction>,
    pub(crate) connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>,
    pub(crate) queues: Queues<DeliveryFunction>,
    pub(crate) api: ConnectionsApi<DeliveryFunction>,
    pub(crate) clock: Clock,
}

impl Context {
    pub(crate) fn new(
        config: &granted_aws::Aws,
        environment: &Environment<DeliveryFunction>,
        clock: Clock,
    ) -> Self {
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
        Self {
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
        }
    }
}
