//! What the routes share: clients, stores and settings.

use granted_aws::{Database, Environment, Objects, Queues};
use stagecast_contract::{environment::WebSocketUrl, functions::JobsFunction, input::InputRules};
use stagecast_core::{
    cancellation::Canceller,
    clock::Clock,
    stores::{EventStore, JobStore, ResultStore},
};

/// Clients, stores and settings of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) jobs: JobStore<JobsFunction>,
    pub(crate) events: EventStore<JobsFunction>,
    pub(crate) results: ResultStore<JobsFunction>,
    pub(crate) objects: Objects<JobsFunction>,
    pub(crate) queues: Queues<JobsFunction>,
    pub(crate) canceller: Canceller<JobsFunction>,
    pub(crate) websocket_url: String,
    pub(crate) clock: Clock,
    /// The inputs that the pipeline accepts.
    pub(crate) input_rules: &'static InputRules,
}

impl Context {
    pub(crate) fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<JobsFunction>,
        clock: Clock,
        input_rules: &'static InputRules,
    ) -> Self {
        let database = Database::new(config, environment);
        let objects = Objects::new(config, environment);
        let queues = Queues::new(config, environment);
        let jobs = JobStore::new(database.clone(), clock.clone());
        let events = EventStore::new(database);
        Self {
            results: ResultStore::new(objects.clone()),
            canceller: Canceller::new(jobs.clone(), events.clone(), queues.clone(), clock.clone()),
            jobs,
            events,
            objects,
            queues,
            websocket_url: environment.get::<WebSocketUrl>().to_owned(),
            clock,
            input_rules,
        }
    }
}
