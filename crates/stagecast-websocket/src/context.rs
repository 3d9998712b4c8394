//! What the routes share: clients, stores and settings.

use granted_aws::{ConnectionsApi, Environment, Queues};
use stagecast_contract::{
    environment::{AllowedOrigins, MaxSubscriptions},
    functions::WebSocketFunction,
};
use stagecast_core::{
    cancellation::Canceller,
    clock::Clock,
    delivery::Stores,
    stores::{ConnectionStore, EventStore, JobStore, SubscriptionStore},
};

/// Clients, stores and settings of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) connections: ConnectionStore<WebSocketFunction>,
    pub(crate) subscriptions: SubscriptionStore<WebSocketFunction>,
    pub(crate) jobs: JobStore<WebSocketFunction>,
    pub(crate) events: EventStore<WebSocketFunction>,
    pub(crate) canceller: Canceller<WebSocketFunction>,
    pub(crate) queues: Queues<WebSocketFunction>,
    pub(crate) api: ConnectionsApi<WebSocketFunction>,
    pub(crate) clock: Clock,
    /// Maximum number of subscriptions of a connection; at least 1.
    pub(crate) max_subscriptions: u32,
    /// The origins that browsers may connect from. Empty: every origin.
    pub(crate) allowed_origins: Vec<String>,
}

/// An environment variable has an invalid value.
#[derive(Debug, thiserror::Error)]
#[error("MAX_SUBSCRIPTIONS is '{0}'; it must be a whole number of at least 1")]
pub struct InvalidSetting(String);

impl Context {
    pub(crate) fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<WebSocketFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let max = environment.get::<MaxSubscriptions>();
        let Ok(max_subscriptions @ 1..) = max.parse() else {
            return Err(InvalidSetting(max.to_owned()));
        };
        let allowed_origins = environment
            .get::<AllowedOrigins>()
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(str::to_owned)
            .collect();
        let Stores {
            jobs,
            events,
            subscriptions,
            connections,
            queues,
            api,
            clock,
        } = Stores::new(config, environment, clock);
        Ok(Self {
            connections,
            subscriptions,
            canceller: Canceller::new(jobs.clone(), events.clone(), queues.clone(), clock.clone()),
            jobs,
            events,
            queues,
            api,
            clock,
            max_subscriptions,
            allowed_origins,
        })
    }
}
