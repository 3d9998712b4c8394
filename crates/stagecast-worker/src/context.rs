//! What the routes share: clients, stores and publishers.

use std::sync::Arc;

use granted_aws::{Environment, Objects};
use stagecast_contract::functions::WorkerFunction;
use stagecast_core::{clock::Clock, delivery::Stores};

use crate::publishers::Publishers;

/// Clients, stores and publishers of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) stores: Arc<Stores<WorkerFunction>>,
    pub(crate) objects: Objects<WorkerFunction>,
    pub(crate) publishers: Publishers,
}

impl Context {
    pub(crate) fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<WorkerFunction>,
        clock: Clock,
    ) -> Self {
        Self {
            stores: Arc::new(Stores::new(config, environment, clock)),
            objects: Objects::new(config, environment),
            publishers: Publishers::default(),
        }
    }
}
