//! What the routes share: clients, stores and publishers.

use std::sync::Arc;

use granted_aws::{Database, Environment, Objects};
use stagecast_contract::{
    environment::{MaxRunningPerOwner, WebSocketUrl, WorkerQueues},
    functions::WorkerFunction,
    worker_queues::{DeclaredQueues, InvalidOwnerLimit, InvalidQueueName, OwnerLimit},
};
use stagecast_core::{
    clock::Clock,
    delivery::{QueueWaker, Stores},
    stores::{ArtifactContents, CheckpointStore, WorkerTokenStore},
    unattended::Unattended,
};

use crate::publishers::Publishers;

/// Clients, stores and publishers of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) stores: Arc<Stores<WorkerFunction>>,
    pub(crate) objects: Objects<WorkerFunction>,
    pub(crate) unattended: Unattended<WorkerFunction>,
    pub(crate) artifact_contents: ArtifactContents<WorkerFunction>,
    pub(crate) waker: QueueWaker<WorkerFunction>,
    pub(crate) worker_tokens: WorkerTokenStore<WorkerFunction>,
    /// The product's queues.
    pub(crate) worker_queues: DeclaredQueues,
    /// The limit of running jobs of each owner in each queue.
    pub(crate) owner_limit: Option<OwnerLimit>,
    pub(crate) websocket_url: String,
    pub(crate) checkpoints: CheckpointStore<WorkerFunction>,
    pub(crate) publishers: Publishers,
}

/// An environment variable has an invalid value.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSetting {
    /// The queues of external workers.
    #[error(
        "WORKER_QUEUES is '{value}', which is not valid: {cause}; deploy the template of this version"
    )]
    WorkerQueues {
        /// The value of the variable.
        value: String,
        /// What is wrong with one of the names.
        cause: InvalidQueueName,
    },
    /// The limit of running jobs of one owner.
    #[error("MAX_RUNNING_PER_OWNER is not valid: {0}; deploy the template of this version")]
    MaxRunningPerOwner(#[from] InvalidOwnerLimit),
}

impl Context {
    pub(crate) fn new(
        config: &granted_aws::Aws,
        environment: &Environment<WorkerFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let queues = environment.get::<WorkerQueues>();
        let worker_queues =
            DeclaredQueues::parse(queues).map_err(|cause| InvalidSetting::WorkerQueues {
                value: queues.to_owned(),
                cause,
            })?;
        let owner_limit = OwnerLimit::parse(environment.get::<MaxRunningPerOwner>())?;
        let database = Database::new(config, environment);
        let stores = Stores::new(config, environment, clock.clone());
        let objects = Objects::new(config, environment);
        Ok(Self {
            unattended: Unattended::new(
                stores.jobs.clone(),
                stores.events.clone(),
                stores.waiting.clone(),
                stores.queues.clone(),
                clock.clone(),
            ),
            waker: QueueWaker::new(stores.listeners.clone(), stores.api.clone(), clock.clone()),
            worker_tokens: WorkerTokenStore::new(database, clock),
            worker_queues,
            owner_limit,
            websocket_url: environment.get::<WebSocketUrl>().to_owned(),
            checkpoints: CheckpointStore::new(stores.events.clone(), objects.clone()),
            stores: Arc::new(stores),
            artifact_contents: ArtifactContents::new(objects.clone()),
            objects,
            publishers: Publishers::default(),
        })
    }
}
