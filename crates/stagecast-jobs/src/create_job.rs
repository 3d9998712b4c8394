//! `POST /v1/jobs`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::{error::DisplayErrorContext, primitives::ByteStream};
use stagecast_contract::{
    buckets::{self, input_key},
    http::{JobCreated, Upload},
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    messages::JobStatus,
    queues::JobMessage,
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use stagecast_core::{
    clock::random,
    http::{ApiError, ApiResponse, ApiResult},
    models::{Creation, Job, OwnedJob, Parameters, PendingUpload},
    stores::CreationOutcome,
    upload_deadline,
};
use typed_contract::queues::MAX_DELAY_SECONDS;

use crate::{
    access,
    context::Context,
    idempotency,
    input::Input,
    requested::{NewInput, Requested},
    runner::Runner,
    start, upload,
};

/// Maximum length of a caller's correlation id, in bytes. Longer ones are ignored.
const MAX_CORRELATION_ID_BYTES: usize = 128;

pub(crate) async fn handle(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    request_id: &RequestId,
) -> ApiResult {
    let access = access::to_create(context, request).await?;
    let idempotency_key = idempotency::key_of(request)?;
    let mut requested = Requested::read(request, context)?;
    if let Some(access) = &access {
        requested.restrict(access)?;
    }
    let new = NewJob {
        requested,
        request,
        request_id,
    };
    match idempotency_key {
        None => Box::pin(create(context, new)).await,
        Some(key) => Box::pin(create_once(context, new, &key)).await,
    }
}

/// A job that a request asks for.
struct NewJob<'a> {
    requested: Requested,
    request: &'a ApiGatewayV2httpRequest,
    request_id: &'a RequestId,
}

async fn create(context: &Context, new: NewJob<'_>) -> ApiResult {
    let now = context.clock.now();
    let job_id = JobId::new(now, random());
    let keys = Keys::random(&new.requested.runner);
    let job = Box::pin(prepare(context, new, job_id, &keys, now)).await?;
    if !context.jobs.create(&job).await? {
        return Err(id_taken());
    }
    start_job(context, &job).await?;
    created(context, job, keys).await
}

/// Creates the job, or returns the one that an earlier request has created under the idempotency key.
async fn create_once(context: &Context, new: NewJob<'_>, idempotency_key: &str) -> ApiResult {
    let runner = new.requested.runner.clone();
    let request_sha256 = new.requested.sha256.clone();
    if let Some(creation) = context.jobs.find_creation(idempotency_key).await? {
        idempotency::require_same_request(&creation, &request_sha256)?;
        return repeated(context, creation, idempotency_key, &runner).await;
    }
    let now = context.clock.now();
    let job_id = JobId::new(now, random());
    let creation = Creation::new(
        idempotency_key,
        request_sha256.clone(),
        job_id.clone(),
        random(),
        now,
    );
    let keys = Keys::derived(&creation, idempotency_key, &runner);
    let job = Box::pin(prepare(context, new, job_id, &keys, now)).await?;
    let outcome = context
        .jobs
        .create_once(&job, &creation, idempotency_key)
        .await?;
    match outcome {
        CreationOutcome::Created => {}
        // Another request with the same key was quicker. The input of this one, or its upload, is deleted by
        // the bucket's lifecycle rule, and its watchdog finds no job.
        CreationOutcome::Repeated(creation) => {
            idempotency::require_same_request(&creation, &request_sha256)?;
            return repeated(context, creation, idempotency_key, &runner).await;
        }
        CreationOutcome::IdTaken => return Err(id_taken()),
    }
    start_job(context, &job).await?;
    created(context, job, keys).await
}

/// The response to a repeated request, with what is missing of the input now.
async fn repeated(
    context: &Context,
    creation: Creation,
    idempotency_key: &str,
    runner: &Runner,
) -> ApiResult {
    let keys = Keys::derived(&creation, idempotency_key, runner);
    let job = context.jobs.load(&creation.created_job_id).await?;
    let upload = match &job {
        Some(job) if job.status == JobStatus::AwaitingInput => match &job.upload {
            Some(upload) => Some(upload::missing(context, job, upload, 0).await?),
            None => None,
        },
        _ => None,
    };
    let body = body(context, creation.created_job_id, keys, upload);
    Ok(ApiResponse::json(202, &body)?.repeated())
}

/// The keys of a new job.
struct Keys {
    access: AccessKey,
    worker: Option<WorkerKey>,
}

impl Keys {
    fn random(runner: &Runner) -> Self {
        Self {
            access: AccessKey::new(random()),
            worker: runner.has_worker_key().then(|| WorkerKey::new(random())),
        }
    }

    fn derived(creation: &Creation, idempotency_key: &str, runner: &Runner) -> Self {
        Self {
            access: creation.access_key(idempotency_key),
            worker: runner
                .has_worker_key()
                .then(|| creation.worker_key(idempotency_key)),
        }
    }
}

/// Stores everything that the job needs before the job exists, and returns the job that is to be stored.
async fn prepare(
    context: &Context,
    new: NewJob<'_>,
    job_id: JobId,
    keys: &Keys,
    now: Timestamp,
) -> Result<Job, ApiError> {
    let requested = new.requested;
    let mut job = Job::queued(
        job_id,
        &keys.access,
        new.request_id.clone(),
        correlation_id(new.request).unwrap_or_else(|| new.request_id.to_string()),
        requested.input.content_type().to_owned(),
        now,
    );
    if let Some(worker_key) = &keys.worker {
        job = job.for_external_worker(worker_key);
    }
    job = job
        .kept_for(requested.retention)
        .limited(requested.limits)
        .starting_at(requested.run_at);
    if let Runner::Queue { name, priority } = requested.runner {
        job = job.in_queue(name, priority, context.clock.millis());
    }
    job.owner = requested.owner;
    job.labels = requested.labels;
    job.webhook = requested.webhook;
    job.has_parameters = requested.parameters.is_some();
    let parameters = requested
        .parameters
        .map(|parameters| Parameters::new(job.job_id.clone(), &parameters, job.expires_at));
    let is_announced = matches!(requested.input, NewInput::Announced(_));
    let owned = OwnedJob::of(&job, context.clock.millis());
    let (upload, (), (), (), ()) = tokio::try_join!(
        prepare_input(context, &job, requested.input),
        add_to_list(context, owned),
        start::notify_feed(context, &job),
        store_parameters(context, parameters),
        schedule_checks(context, &job, is_announced),
    )?;
    if let Some(upload) = upload {
        return Ok(job.awaiting(upload));
    }
    start::enqueue(context, &job).await?;
    Ok(job)
}

/// Stores an input that is part of the request, or starts the upload of one that is not.
async fn prepare_input(
    context: &Context,
    job: &Job,
    input: NewInput,
) -> Result<Option<PendingUpload>, ApiError> {
    match input {
        NewInput::Given(input) => store_input(context, &job.job_id, input)
            .await
            .map(|()| None),
        NewInput::Announced(announced) => {
            let upload = PendingUpload::new(&announced, job.created_at);
            let mut upload = upload.within(job.expires_at);
            let content_type = &announced.content_type;
            context
                .uploads
                .begin(&job.job_id, content_type, &mut upload)
                .await?;
            Ok(Some(upload))
        }
    }
}

/// Adds a job with an owner to the list of its owner.
async fn add_to_list(context: &Context, owned: Option<OwnedJob>) -> Result<(), ApiError> {
    if let Some(owned) = owned {
        context.owned_jobs.put(&owned).await?;
    }
    Ok(())
}

async fn store_parameters(
    context: &Context,
    parameters: Option<Parameters>,
) -> Result<(), ApiError> {
    if let Some(parameters) = parameters {
        context.parameters.save(&parameters).await?;
    }
    Ok(())
}

/// Queues a stored job of the pipeline that has its input, and notifies the workers of a job of another queue.
async fn start_job(context: &Context, job: &Job) -> Result<(), ApiError> {
    let job_id = &job.job_id;
    let (is_external, queue) = (job.is_external(), &job.queue);
    if job.status == JobStatus::Queued && !is_external {
        start::send_job_message(context, job, JobMessage::new(job_id.clone())).await?;
    }
    start::schedule_early_check(context, job).await?;
    start::wake_workers(context, job).await;
    let status = job.status.name();
    tracing::info!(%job_id, is_external, queue = ?queue.as_ref().map(QueueName::as_str), status, correlation_id = job.correlation_id, "created");
    Ok(())
}

/// The response to the request that has created the job.
async fn created(context: &Context, job: Job, keys: Keys) -> ApiResult {
    let upload = match &job.upload {
        Some(upload) => Some(upload::all(context, &job, upload).await?),
        None => None,
    };
    ApiResponse::json(202, &body(context, job.job_id, keys, upload))
}

fn body(context: &Context, job_id: JobId, keys: Keys, upload: Option<Upload>) -> JobCreated {
    JobCreated {
        status_url: format!("/v1/jobs/{job_id}"),
        job_id,
        access_key: keys.access,
        worker_key: keys.worker,
        websocket_url: context.websocket_url.clone(),
        upload,
    }
}

fn id_taken() -> ApiError {
    ApiError::internal("two jobs were given the same random id")
}

async fn store_input(context: &Context, job_id: &JobId, input: Input) -> Result<(), ApiError> {
    context
        .objects
        .put_object::<buckets::Objects>()
        .key(input_key(job_id))
        .content_type(input.content_type)
        .body(ByteStream::from(input.bytes))
        .send()
        .await
        .map_err(|error| ApiError::internal(DisplayErrorContext(error).to_string()))?;
    Ok(())
}

/// Schedules the first check of a job before it is stored, so that every job has one; if storing the job
/// fails, the check finds no job and ends. The watchdog of an external job without a queue and without a limit of its
/// time in the queue starts with its first claim, and that of a job that awaits its input when the input is complete.
async fn schedule_checks(context: &Context, job: &Job, is_announced: bool) -> Result<(), ApiError> {
    let (queues, job_id) = (&context.queues, &job.job_id);
    if is_announced {
        upload_deadline::schedule(queues, job_id, MAX_DELAY_SECONDS).await?;
    } else {
        start::schedule_first_check(context, job, context.clock.now()).await?;
    }
    Ok(())
}

/// The correlation id in the request, if it is valid for log lines.
fn correlation_id(request: &ApiGatewayV2httpRequest) -> Option<String> {
    let id = request.headers.get("x-correlation-id")?.to_str().ok()?;
    let is_valid = !id.is_empty()
        && id.len() <= MAX_CORRELATION_ID_BYTES
        && typed_contract::names::is_alphanumeric_or(id, b"-_.:");
    is_valid.then(|| id.to_owned())
}
