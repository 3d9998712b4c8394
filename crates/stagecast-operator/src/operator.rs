//! The stores of a stack, for an operator.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use granted_aws::{Database, Objects, Queues};
use stagecast_contract::ids::JobId;
use stagecast_contract::queues::{DeliveryQueue, JobQueue};
use stagecast_core::{
    cancellation::{Cancellation, Canceller},
    clock::Clock,
    models::Job,
    stores::{
        ArtifactStore, EventStore, JobStore, OwnedJobStore, ParameterStore, SubscriptionStore,
        WaitingJobStore,
    },
};
use typed_contract::queues::Queue as _;

use crate::{
    OperatorError,
    callers::{Manager, Viewer},
    error::call_failed,
    resources::Resources,
};

/// Jobs that are read at the same time.
const PARALLEL_READS: usize = 16;

/// What an operator does with the jobs of a stack.
#[derive(Debug)]
pub struct Operator {
    pub(crate) resources: Resources,
    pub(crate) config: SdkConfig,
    pub(crate) clock: Clock,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) jobs: JobStore<Viewer>,
    pub(crate) events: EventStore<Viewer>,
    pub(crate) artifacts: ArtifactStore<Viewer>,
    pub(crate) waiting: WaitingJobStore<Viewer>,
    pub(crate) owned: OwnedJobStore<Viewer>,
    pub(crate) subscriptions: SubscriptionStore<Viewer>,
}

/// The stores of commands that change jobs.
#[derive(Debug)]
pub(crate) struct ManagerStores {
    pub(crate) jobs: JobStore<Manager>,
    pub(crate) events: EventStore<Manager>,
    pub(crate) parameters: ParameterStore<Manager>,
    pub(crate) waiting: WaitingJobStore<Manager>,
    pub(crate) owned: OwnedJobStore<Manager>,
    pub(crate) objects: Objects<Manager>,
    pub(crate) queues: Queues<Manager>,
}

impl Operator {
    /// An operator of the stack with these resources. Sends no request.
    pub fn new(
        config: SdkConfig,
        resources: Resources,
        clock: Clock,
    ) -> Result<Self, OperatorError> {
        let environment = resources.environment::<Viewer>(&BTreeMap::new())?;
        let database = Database::new(&config, &environment);
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            jobs: JobStore::new(database.clone(), clock.clone()),
            events: EventStore::new(database.clone()),
            artifacts: ArtifactStore::new(database.clone(), clock.clone()),
            waiting: WaitingJobStore::new(database.clone(), clock.clone()),
            owned: OwnedJobStore::new(database.clone()),
            subscriptions: SubscriptionStore::new(database, clock.clone()),
            resources,
            config,
            clock,
        })
    }

    /// The clock by which ages and leases are judged.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The names of the stack's resources.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Reads a job consistently.
    pub async fn load(&self, job_id: &JobId) -> Result<Job, OperatorError> {
        let job = self.jobs.load(job_id).await?;
        job.ok_or_else(|| OperatorError::NoJob(job_id.clone()))
    }

    /// Reads jobs consistently, in the order of their ids, without those that do not exist.
    pub async fn load_all(
        &self,
        ids: impl IntoIterator<Item = JobId>,
    ) -> Result<Vec<Job>, OperatorError> {
        let reads = ids.into_iter().map(async |id| self.jobs.load(&id).await);
        let jobs: Vec<Option<Job>> = stream::iter(reads)
            .buffered(PARALLEL_READS)
            .try_collect()
            .await?;
        Ok(jobs.into_iter().flatten().collect())
    }

    /// Cancels a job as its client would: requests the cancellation, and ends the job and notifies its subscribers if no
    /// run and no worker holds it.
    pub async fn cancel(&self, job_id: &JobId) -> Result<Cancellation, OperatorError> {
        let stores = self.manager().await?;
        let canceller = Canceller::new(
            stores.jobs,
            stores.events,
            stores.waiting,
            stores.queues,
            self.clock.clone(),
        );
        match canceller.cancel(job_id).await? {
            Cancellation::AlreadyFinished(None) => Err(OperatorError::NoJob(job_id.clone())),
            cancellation => Ok(cancellation),
        }
    }

    /// The stores of commands that change jobs.
    pub(crate) async fn manager(&self) -> Result<ManagerStores, OperatorError> {
        let mut urls = BTreeMap::new();
        for queue in [JobQueue::SPEC, DeliveryQueue::SPEC] {
            let names = self.resources.queues().iter();
            let names = names.filter(|names| names.declared == queue.name);
            for names in names {
                urls.insert(queue.name, self.queue_url(&names.queue).await?);
            }
        }
        let environment = self.resources.environment::<Manager>(&urls)?;
        let database = Database::new(&self.config, &environment);
        Ok(ManagerStores {
            jobs: JobStore::new(database.clone(), self.clock.clone()),
            events: EventStore::new(database.clone()),
            parameters: ParameterStore::new(database.clone()),
            waiting: WaitingJobStore::new(database.clone(), self.clock.clone()),
            owned: OwnedJobStore::new(database),
            objects: Objects::new(&self.config, &environment),
            queues: Queues::new(&self.config, &environment),
        })
    }

    /// The URL of a queue.
    pub(crate) async fn queue_url(&self, name: &str) -> Result<String, OperatorError> {
        let request = self.sqs.get_queue_url().queue_name(name);
        let answer = request.send().await;
        let operation = format!("finding the queue {name}");
        let answer = answer.map_err(call_failed!(operation))?;
        Ok(answer.queue_url.unwrap_or_default())
    }
}
