//! What the routes share: clients, stores and settings.

use granted_aws::{ConnectionsApi, Database, Environment, Queues};
use stagecast_contract::{
    environment::{AllowedOrigins, MaxSubscriptions, OwnerTokens, WorkerQueues},
    functions::WebSocketFunction,
    worker_queues::{DeclaredQueues, InvalidQueueName},
};
use stagecast_core::{
    cancellation::Canceller,
    clock::Clock,
    delivery::Stores,
    owner_tokens::{InvalidTokenRules, OwnerTokenVerifier},
    stores::{
        ArtifactStore, ConnectionStore, EventStore, JobStore, QueueListenerStore, StoreError,
        SubscriptionStore, WorkerTokenStore,
    },
};

/// Clients, stores and settings of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) connections: ConnectionStore<WebSocketFunction>,
    pub(crate) subscriptions: SubscriptionStore<WebSocketFunction>,
    pub(crate) jobs: JobStore<WebSocketFunction>,
    pub(crate) events: EventStore<WebSocketFunction>,
    pub(crate) artifacts: ArtifactStore<WebSocketFunction>,
    pub(crate) listeners: QueueListenerStore<WebSocketFunction>,
    pub(crate) worker_tokens: WorkerTokenStore<WebSocketFunction>,
    pub(crate) canceller: Canceller<WebSocketFunction>,
    pub(crate) queues: Queues<WebSocketFunction>,
    pub(crate) api: ConnectionsApi<WebSocketFunction>,
    pub(crate) clock: Clock,
    /// The environment's rules and keys of owner tokens.
    pub(crate) owner_tokens: OwnerTokenVerifier,
    /// The product's queues of external workers.
    pub(crate) worker_queues: DeclaredQueues,
    /// Maximum number of subscriptions of a connection, and of queues that it listens to; at least 1.
    pub(crate) max_subscriptions: u32,
    /// The origins that browsers may connect from. Empty: every origin.
    pub(crate) allowed_origins: Vec<String>,
}

/// An environment variable has an invalid value.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSetting {
    /// The limit of subscriptions.
    #[error("MAX_SUBSCRIPTIONS is '{0}'; it must be a whole number of at least 1")]
    MaxSubscriptions(String),
    /// The queues of external workers.
    #[error("WORKER_QUEUES is '{value}': {error}")]
    WorkerQueues {
        /// The value of the variable.
        value: String,
        /// What is wrong with one of the names.
        error: InvalidQueueName,
    },
    /// The rules and keys of owner tokens.
    #[error("OWNER_TOKENS is not valid: {0}; deploy the template of this version")]
    OwnerTokens(#[from] InvalidTokenRules),
}

impl Context {
    pub(crate) fn new(
        config: &granted_aws::Aws,
        environment: &Environment<WebSocketFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let max = environment.get::<MaxSubscriptions>();
        let Ok(max_subscriptions @ 1..) = max.parse() else {
            return Err(InvalidSetting::MaxSubscriptions(max.to_owned()));
        };
        let worker_queues = environment.get::<WorkerQueues>();
        let worker_queues = DeclaredQueues::parse(worker_queues).map_err(|error| {
            let value = worker_queues.to_owned();
            InvalidSetting::WorkerQueues { value, error }
        })?;
        let owner_tokens = OwnerTokenVerifier::parse(environment.get::<OwnerTokens>(), &clock)?;
        let database = Database::new(config, environment);
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
            parameters: _,
            artifacts,
            waiting,
            subscriptions,
            connections,
            listeners,
            queues,
            api,
            clock,
        } = Stores::new(config, environment, clock);
        Ok(Self {
            connections,
            subscriptions,
            listeners,
            worker_tokens: WorkerTokenStore::new(database, clock.clone()),
            canceller: Canceller::new(
                jobs.clone(),
                events.clone(),
                waiting,
                queues.clone(),
                clock.clone(),
            ),
            jobs,
            events,
            artifacts,
            queues,
            api,
            clock,
            owner_tokens,
            worker_queues,
            max_subscriptions,
            allowed_origins,
        })
    }
}

impl Context {
    /// Deletes all items of a connection that has ended. Idempotent.
    pub(crate) async fn forget(&self, connection_id: &str) -> Result<(), StoreError> {
        self.connections.forget(connection_id).await?;
        self.listeners.forget(connection_id).await
    }
}
