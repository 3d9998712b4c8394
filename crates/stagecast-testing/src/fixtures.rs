//! What most tests need: stores on a [`TestAws`], a job, a publisher, a subscription.

use std::sync::Arc;

use granted_aws::{Database, Environment, Objects, Queues};
use raw_json::RawJson;
use stagecast_contract::{
    functions::{DeliveryFunction, JobsFunction, WebSocketFunction},
    ids::{AccessKey, JobId, RequestId, WorkerKey, WorkerToken},
    limits::DEFAULT_MAX_SUBSCRIPTIONS,
    owner_tokens::Scope,
    timestamp::Timestamp,
};
use stagecast_core::{
    cancellation::{Cancellation, Canceller},
    clock::{Clock, random},
    delivery::{Publisher, Stores},
    models::{Feed, Job, TokenAccess, TokenItem as _, TokenQueues, WorkerTokenRecord},
    owner_tokens::{JobCredential, OwnerTokenVerifier},
    stores::{
        Claim, CommitOutcome, EventStore, FeedRequest, JobStore, Precondition, SubscriptionRequest,
        WaitingJobStore, correlation_id,
    },
    unattended::SettleError,
    waiting,
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
    aws.environment::<F>()
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
    job_as(aws, clock, number, |job| job).await
}

/// A queued job for an external worker.
pub async fn external_job(aws: &TestAws, clock: &Clock, number: u8) -> TestJob {
    external_job_as(aws, clock, number, |job| job).await
}

/// A job of the queue `plans`, with the entry that makes it claimable. Its worker key is not valid: each claim has its
/// own.
pub async fn waiting_job(
    aws: &TestAws,
    clock: &Clock,
    number: u8,
    change: impl FnOnce(Job) -> Job,
) -> TestJob {
    let in_queue = |job: Job, _: &WorkerKey| {
        let queue = "plans".parse().expect("a name");
        change(job.in_queue(queue, None, clock.millis() + u64::from(number)))
    };
    let job = store(aws, clock, number, in_queue).await;
    let stores = stores::<DeliveryFunction>(aws, clock);
    let loaded = stores.jobs.load(&job.id).await.expect("it can be read");
    let loaded = loaded.expect("it was stored");
    if loaded.is_claimable(clock.now()) {
        enqueue(aws, clock, &loaded).await;
    }
    job
}

/// Stores the entry of a job in its queue, whether the job exists or not.
pub async fn enqueue(aws: &TestAws, clock: &Clock, job: &Job) {
    let stores = stores::<DeliveryFunction>(aws, clock);
    let entry = waiting::enqueue(&stores.waiting, job).await;
    entry.expect("the entry can be stored");
}

/// A worker token for these queues, or for all.
pub async fn worker_token(aws: &TestAws, clock: &Clock, queues: Option<&[&str]>) -> WorkerToken {
    let token = WorkerToken::new(random(), random());
    let queues = queues.map_or(TokenQueues::All, |queues| {
        let queues = queues.iter().map(|queue| queue.parse().expect("a name"));
        TokenQueues::Only(queues.collect())
    });
    let record = WorkerTokenRecord::new(&token, "test".to_owned(), queues, clock.now(), None);
    put_worker_token(aws, &record.expect("a valid token")).await;
    token
}

/// Stores the record of a worker token.
pub async fn put_worker_token(aws: &TestAws, record: &WorkerTokenRecord) {
    let environment = environment::<JobsFunction>(aws);
    Database::new(&aws.config::<JobsFunction>(), &environment)
        .put_item::<WorkerTokenRecord>()
        .set_item(Some(record.to_dynamodb_item().expect("an item")))
        .send()
        .await
        .expect("the token can be stored");
}

/// [`job`] with other properties, such as time limits.
pub async fn job_as(
    aws: &TestAws,
    clock: &Clock,
    number: u8,
    change: impl FnOnce(Job) -> Job,
) -> TestJob {
    store(aws, clock, number, |job, _| change(job)).await
}

/// [`external_job`] with other properties, such as time limits.
pub async fn external_job_as(
    aws: &TestAws,
    clock: &Clock,
    number: u8,
    change: impl FnOnce(Job) -> Job,
) -> TestJob {
    let external = |job: Job, key: &WorkerKey| change(job.for_external_worker(key));
    store(aws, clock, number, external).await
}

async fn store(
    aws: &TestAws,
    clock: &Clock,
    number: u8,
    change: impl FnOnce(Job, &WorkerKey) -> Job,
) -> TestJob {
    let now = clock.now();
    let test_job = TestJob {
        id: JobId::new(now, [number; 8]),
        access_key: AccessKey::new([number; 16]),
        worker_key: WorkerKey::new([number.wrapping_add(128); 16]),
    };
    let job = Job::queued(
        test_job.id.clone(),
        &test_job.access_key,
        RequestId::new(now, [number; 8]),
        format!("correlation-{number}"),
        "text/plain".to_owned(),
        now,
    );
    let job = change(job, &test_job.worker_key);
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
    let credential = JobCredential::AccessKey(&job.access_key);
    subscribed_with(aws, clock, job, connection_id, credential).await;
}

/// [`subscribed`] by a token, which must open the job.
///
/// # Panics
///
/// When the token is not valid, or the subscription cannot be stored.
pub async fn subscribed_by_token(
    aws: &TestAws,
    clock: &Clock,
    job: &TestJob,
    connection_id: &str,
    token: &str,
) {
    let setting = aws.variable::<WebSocketFunction>("OWNER_TOKENS");
    let verifier = OwnerTokenVerifier::parse(&setting.unwrap_or_default(), clock);
    let verifier = verifier.expect("the template's setting");
    let access = verifier.verify(token, Scope::Watch, clock.now()).await;
    let access = access.expect("the token is valid");
    let credential = JobCredential::Token(&access);
    subscribed_with(aws, clock, job, connection_id, credential).await;
}

async fn subscribed_with(
    aws: &TestAws,
    clock: &Clock,
    job: &TestJob,
    connection_id: &str,
    credential: JobCredential<'_>,
) {
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
    let authorized = subscriptions.authorize(context, Some(credential), DEFAULT_MAX_SUBSCRIPTIONS);
    let authorized = authorized.expect("the credential opens the job");
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

/// Opens a connection that is subscribed to the feed of `owner`, limited to `labels`. Both began a minute ago, as for
/// [`subscribed`].
///
/// # Panics
///
/// When the subscription cannot be stored.
pub async fn subscribed_to_owner(
    aws: &TestAws,
    clock: &Clock,
    owner: &str,
    labels: &[(&str, &str)],
    connection_id: &str,
) {
    subscribed_to_owner_for(aws, clock, owner, labels, connection_id, 3600).await;
}

/// [`subscribed_to_owner`] by a token that is valid for some seconds from now.
///
/// # Panics
///
/// When the subscription cannot be stored.
pub async fn subscribed_to_owner_for(
    aws: &TestAws,
    clock: &Clock,
    owner: &str,
    labels: &[(&str, &str)],
    connection_id: &str,
    seconds: i64,
) {
    let expires_at = clock.now().plus_seconds(seconds).epoch_seconds();
    let clock = Clock::standing_at(clock.now().plus_seconds(-60));
    let stores = stores::<WebSocketFunction>(aws, &clock);
    let labels = labels.iter();
    let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = FeedRequest {
        connection_id,
        connected_at: clock.now(),
        correlation_id: correlation_id(connection_id, clock.now()),
        feed: &Feed::new(owner, labels.collect()),
        token: TokenAccess {
            owner: owner.to_owned(),
            expires_at,
        },
    };
    let connections = &stores.connections;
    let connected = connections.connect(connection_id, request.correlation_id.clone());
    connected.await.expect("the connection can be stored");
    let subscriptions = &stores.subscriptions;
    let subscribed = subscriptions.subscribe_to_feed(&request, DEFAULT_MAX_SUBSCRIPTIONS);
    let subscribed = subscribed.await.expect("the subscription can be stored");
    subscribed.expect("the connection may subscribe");
    aws.connect(connection_id);
}

/// [`job`] of an owner.
pub async fn job_of_owner(aws: &TestAws, clock: &Clock, number: u8, owner: &str) -> TestJob {
    let with_owner = |mut job: Job| {
        job.owner = Some(owner.to_owned());
        job
    };
    job_as(aws, clock, number, with_owner).await
}

/// Opens a connection that listens to the queue, and is armed: its worker has found the queue empty.
///
/// # Panics
///
/// When the listener cannot be stored.
pub async fn armed(aws: &TestAws, clock: &Clock, queue: &str, connection_id: &str) {
    let stores = stores::<WebSocketFunction>(aws, clock);
    let correlation_id = correlation_id(connection_id, clock.now());
    let connected = stores.connections.connect(connection_id, correlation_id);
    connected.await.expect("the connection can be stored");
    let queue = queue.parse().expect("a name");
    let listeners = &stores.listeners;
    let listener = listeners
        .listen(connection_id, &queue, DEFAULT_MAX_SUBSCRIPTIONS)
        .await
        .expect("the listener can be stored")
        .expect("the connection may listen");
    let armed = listeners.arm(&queue, listener.id()).await;
    assert!(armed.expect("the listener can be armed"), "{listener:?}");
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
        EventStore::new(database.clone()),
        WaitingJobStore::new(database, clock.clone()),
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
