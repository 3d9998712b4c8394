//! What most tests need: stores on a [`TestAws`], a job, a publisher, a subscription.

use std::sync::Arc;

use granted_aws::{Database, Environment, Objects, Queues};
use raw_json::RawJson;
use stagecast_contract::{
    functions::{JobsFunction, WebSocketFunction},
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    limits::DEFAULT_MAX_SUBSCRIPTIONS,
    timestamp::Timestamp,
};
use stagecast_core::{
    cancellation::{Cancellation, Canceller},
    clock::Clock,
    delivery::{Publisher, Stores},
    models::Job,
    stores::{
        Claim, CommitOutcome, EventStore, JobStore, Precondition, SubscriptionRequest,
        correlation_id,
    },
    unattended::SettleError,
};
use typed_contract::{
    environment::WebSocketApi,
    functions::Function,
    grants::{Granted, PostToConnection},
};

use crate::{TestAws, product::PipelineFunction};

/// The time at which a test starts: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_epoch_seconds(1_767_225_600);

/// A clock that shows [`START`] until a test advances it.
pub fn clock() -> Clock {
    Clock::standing_at(START)
}

/// The environment variables that the template sets for the function `F`.
///
/// # Panics
///
/// When the template does not set a variable that the function reads.
pub fn environment<F: Function>(aws: &TestAws) -> Environment<F> {
    Environment::read(|name| aws.variable::<F>(name)).expect("the template sets every variable")
}

/// The stores of a function that posts to connections.
pub fn stores<F>(aws: &TestAws, clock: &Clock) -> Arc<Stores<F>>
where
    F: Function + Granted<PostToConnection<WebSocketApi>>,
{
    let environment = environment::<F>(aws);
    Arc::new(Stores::new(&aws.config::<F>(), &environment, clock.clone()))
}

/// The bucket of the function `F`.
pub fn objects<F: Function>(aws: &TestAws) -> Objects<F> {
    Objects::new(&aws.config::<F>(), &environment::<F>(aws))
}

/// A job in its table, with its keys.
#[derive(Clone, Debug)]
pub struct TestJob {
    /// The job's id.
    pub id: JobId,
    /// The access key of its clients.
    pub access_key: AccessKey,
    /// The worker key, which is valid for a job from [`external_job`] only.
    pub worker_key: WorkerKey,
}

/// A queued job of the pipeline. Each job of a test needs another `number`.
pub async fn job(aws: &TestAws, clock: &Clock, number: u8) -> TestJob {
    store(aws, clock, number, false).await
}

/// A queued job for an external worker.
pub async fn external_job(aws: &TestAws, clock: &Clock, number: u8) -> TestJob {
    store(aws, clock, number, true).await
}

async fn store(aws: &TestAws, clock: &Clock, number: u8, is_external: bool) -> TestJob {
    let now = clock.now();
    let test_job = TestJob {
        id: JobId::new(now, [number; 8]),
        access_key: AccessKey::new([number; 16]),
        worker_key: WorkerKey::new([number.wrapping_add(128); 16]),
    };
    let mut job = Job::queued(
        test_job.id.clone(),
        &test_job.access_key,
        RequestId::new(now, [number; 8]),
        format!("correlation-{number}"),
        "text/plain".to_owned(),
        now,
    );
    if is_external {
        job = job.for_external_worker(&test_job.worker_key);
    }
    let database = Database::new(
        &aws.config::<JobsFunction>(),
        &environment::<JobsFunction>(aws),
    );
    let jobs = JobStore::new(database, clock.clone());
    let is_new = jobs.create(&job).await.expect("the job can be stored");
    assert!(is_new, "another job of this test has the number {number}");
    test_job
}

/// The publisher of a run of the pipeline that has just claimed the job.
///
/// # Panics
///
/// When the job cannot be claimed.
pub async fn claimed(aws: &TestAws, clock: &Clock, job: &TestJob) -> Publisher<PipelineFunction> {
    let stores = stores::<PipelineFunction>(aws, clock);
    match stores.jobs.claim(&job.id).await {
        Ok(Claim::Acquired { job, lease, .. }) => {
            Publisher::new(stores, &objects::<PipelineFunction>(aws), &job, lease)
        }
        other => panic!("the job cannot be claimed: {other:?}"),
    }
}

/// Opens a connection that is subscribed to the job. Both began a minute ago, so that the first
/// message is posted at once and a connection that is closed counts as gone.
///
/// # Panics
///
/// When the subscription cannot be stored.
pub async fn subscribed(aws: &TestAws, clock: &Clock, job: &TestJob, connection_id: &str) {
    let clock = Clock::standing_at(clock.now().plus_seconds(-60));
    let stores = stores::<WebSocketFunction>(aws, &clock);
    let (connections, subscriptions) = (&stores.connections, &stores.subscriptions);
    let request = SubscriptionRequest {
        connection_id,
        connected_at: clock.now(),
        correlation_id: correlation_id(connection_id, clock.now()),
        job_id: &job.id,
    };
    let connected = connections.connect(connection_id, request.correlation_id.clone());
    connected.await.expect("the connection can be stored");
    let context = subscriptions.load_context(connection_id, &job.id).await;
    let context = context.expect("the job can be read");
    let authorized =
        subscriptions.authorize(context, Some(&job.access_key), DEFAULT_MAX_SUBSCRIPTIONS);
    let authorized = authorized.expect("the job's key is right");
    let allowance = authorized.allowance();
    let committed = subscriptions
        .commit(&request, &authorized, allowance, Precondition::All)
        .await;
    assert_eq!(
        committed.expect("the subscription can be stored"),
        CommitOutcome::Committed
    );
    aws.connect(connection_id);
}

/// Cancels the job, as `DELETE /v1/jobs/{job_id}` does.
pub async fn cancel(
    aws: &TestAws,
    clock: &Clock,
    job: &TestJob,
) -> Result<Cancellation, SettleError> {
    let config = aws.config::<JobsFunction>();
    let environment = environment::<JobsFunction>(aws);
    let database = Database::new(&config, &environment);
    let canceller = Canceller::new(
        JobStore::new(database.clone(), clock.clone()),
        EventStore::new(database),
        Queues::new(&config, &environment),
        clock.clone(),
    );
    canceller.cancel(&job.id).await
}

/// JSON text, for results.
///
/// # Panics
///
/// When it is not JSON.
pub fn json(text: &str) -> RawJson {
    serde_json::from_str(text).expect("a test's results are JSON")
}
