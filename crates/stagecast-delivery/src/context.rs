//! What the tasks share: clients and stores.

use std::sync::Arc;

use granted_aws::{ConnectionsApi, Environment, Queues};
use stagecast_contract::functions::DeliveryFunction;
use stagecast_core::{
    clock::Clock,
    delivery::{ConnectionMaintainer, Stores},
    stores::{EventStore, JobStore, SubscriptionStore},
    unattended::Unattended,
};

/// Clients and stores of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) jobs: JobStore<DeliveryFunction>,
    pub(crate) events: EventStore<DeliveryFunction>,
    pub(crate) unattended: Unattended<DeliveryFunction>,
    pub(crate) subscriptions: SubscriptionStore<DeliveryFunction>,
    pub(crate) connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>,
    pub(crate) queues: Queues<DeliveryFunction>,
    pub(crate) api: ConnectionsApi<DeliveryFunction>,
    pub(crate) clock: Clock,
}

impl Context {
    pub(crate) fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<DeliveryFunction>,
        clock: Clock,
    ) -> Self {
        let Stores {
            jobs,
            events,
            subscriptions,
            connections,
            queues,
            api,
            clock,
        } = Stores::new(config, environment, clock);
        Self {
            unattended: Unattended::new(
                jobs.clone(),
                events.clone(),
                queues.clone(),
                clock.clone(),
            ),
            jobs,
            events,
            subscriptions,
            connection_maintainer: Arc::new(ConnectionMaintainer::new(connections, queues.clone())),
            queues,
            api,
            clock,
        }
    }
}
