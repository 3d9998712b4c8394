//! What the routes share: clients, stores and settings.

use granted_aws::{ConnectionsApi, Database, Environment, Objects, Queues};
use stagecast_contract::{
    environment::{
        JobLimitRules, JobRetentionDays, OwnerTokens, WebSocketUrl, Webhooks, WorkerQueues,
    },
    functions::JobsFunction,
    input::InputRules,
    retention::JobRetention,
    time_limits::LimitRules,
    webhooks::WebhookRules,
    worker_queues::DeclaredQueues,
};
use stagecast_core::{
    cancellation::Canceller,
    clock::Clock,
    delivery::QueueWaker,
    owner_tokens::OwnerTokenVerifier,
    stores::{
        ArtifactContents, ArtifactStore, EventStore, JobStore, OwnedJobStore, ParameterStore,
        QueueListenerStore, ResultStore, UploadStore, WaitingJobStore,
    },
    unattended::Unattended,
};
use typed_contract::environment::Setting;

/// Clients, stores and settings of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) jobs: JobStore<JobsFunction>,
    pub(crate) events: EventStore<JobsFunction>,
    pub(crate) results: ResultStore<JobsFunction>,
    pub(crate) parameters: ParameterStore<JobsFunction>,
    pub(crate) artifacts: ArtifactStore<JobsFunction>,
    pub(crate) artifact_contents: ArtifactContents<JobsFunction>,
    pub(crate) uploads: UploadStore<JobsFunction>,
    pub(crate) waiting: WaitingJobStore<JobsFunction>,
    pub(crate) owned_jobs: OwnedJobStore<JobsFunction>,
    pub(crate) waker: QueueWaker<JobsFunction>,
    pub(crate) unattended: Unattended<JobsFunction>,
    pub(crate) objects: Objects<JobsFunction>,
    pub(crate) queues: Queues<JobsFunction>,
    pub(crate) canceller: Canceller<JobsFunction>,
    pub(crate) websocket_url: String,
    pub(crate) clock: Clock,
    /// The inputs that the pipeline accepts.
    pub(crate) input_rules: &'static InputRules,
    /// The product's rules for the time limits of jobs.
    pub(crate) limit_rules: LimitRules,
    /// The longest retention of a job, and the default.
    pub(crate) retention: JobRetention,
    /// The environment's rules and keys of owner tokens.
    pub(crate) owner_tokens: OwnerTokenVerifier,
    /// The product's queues of external workers.
    pub(crate) worker_queues: DeclaredQueues,
    /// The environment's rules for webhooks.
    pub(crate) webhooks: WebhookRules,
}

/// An environment variable has an invalid value.
#[derive(Debug, thiserror::Error)]
#[error(
    "{variable} is '{value}', which is not valid: {cause}; deploy the template of this version"
)]
pub struct InvalidSetting {
    variable: &'static str,
    value: String,
    cause: String,
}

impl InvalidSetting {
    fn of<S: Setting>(value: &str, cause: impl std::fmt::Display) -> Self {
        Self {
            variable: S::SPEC.variable,
            value: value.to_owned(),
            cause: cause.to_string(),
        }
    }
}

impl Context {
    pub(crate) fn new(
        config: &granted_aws::Aws,
        environment: &Environment<JobsFunction>,
        clock: Clock,
        input_rules: &'static InputRules,
    ) -> Result<Self, InvalidSetting> {
        let retention = environment.get::<JobRetentionDays>();
        let retention = retention
            .parse()
            .map_err(|error| InvalidSetting::of::<JobRetentionDays>(retention, error))?;
        let limit_rules = environment.get::<JobLimitRules>();
        let limit_rules = serde_json::from_str(limit_rules)
            .map_err(|error| InvalidSetting::of::<JobLimitRules>(limit_rules, error))?;
        let worker_queues = environment.get::<WorkerQueues>();
        let worker_queues = DeclaredQueues::parse(worker_queues)
            .map_err(|error| InvalidSetting::of::<WorkerQueues>(worker_queues, error))?;
        let owner_tokens = environment.get::<OwnerTokens>();
        let owner_tokens = OwnerTokenVerifier::parse(owner_tokens, &clock)
            .map_err(|error| InvalidSetting::of::<OwnerTokens>(owner_tokens, error))?;
        let webhooks = environment.get::<Webhooks>();
        let webhooks = WebhookRules::parse(webhooks)
            .map_err(|error| InvalidSetting::of::<Webhooks>(webhooks, error))?;
        let database = Database::new(config, environment);
        let objects = Objects::new(config, environment);
        let queues = Queues::new(config, environment);
        let jobs = JobStore::new(database.clone(), clock.clone());
        let parameters = ParameterStore::new(database.clone());
        let artifacts = ArtifactStore::new(database.clone(), clock.clone());
        let waiting = WaitingJobStore::new(database.clone(), clock.clone());
        let events = EventStore::new(database.clone());
        Ok(Self {
            owned_jobs: OwnedJobStore::new(database.clone()),
            parameters,
            artifacts,
            artifact_contents: ArtifactContents::new(objects.clone()),
            uploads: UploadStore::new(objects.clone()),
            unattended: Unattended::new(
                jobs.clone(),
                events.clone(),
                waiting.clone(),
                queues.clone(),
                clock.clone(),
            ),
            results: ResultStore::new(objects.clone()),
            canceller: Canceller::new(
                jobs.clone(),
                events.clone(),
                waiting.clone(),
                queues.clone(),
                clock.clone(),
            ),
            waker: QueueWaker::new(
                QueueListenerStore::new(database, clock.clone()),
                ConnectionsApi::new(config, environment),
                clock.clone(),
            ),
            waiting,
            jobs,
            events,
            objects,
            queues,
            websocket_url: environment.get::<WebSocketUrl>().to_owned(),
            clock,
            input_rules,
            limit_rules,
            retention,
            owner_tokens,
            worker_queues,
            webhooks,
        })
    }
}
