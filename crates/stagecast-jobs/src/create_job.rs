//! `POST /v1/jobs`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::{error::DisplayErrorContext, primitives::ByteStream};
use stagecast_contract::{
    buckets::{self, input_key},
    http::{EXTERNAL_WORKER, HttpErrorCode, JobCreated, WORKER_PARAMETER},
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    queues::{JobMessage, JobQueue},
    timestamp::Timestamp,
};
use stagecast_core::{
    clock::random,
    http::{ApiError, ApiResponse, ApiResult},
    models::{Creation, Job},
    stores::CreationOutcome,
    watchdog,
};

use crate::{context::Context, idempotency, input::Input};

/// Maximum length of a caller's correlation id, in bytes. Longer ones are ignored.
const MAX_CORRELATION_ID_BYTES: usize = 128;

pub(crate) async fn handle(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    request_id: &RequestId,
) -> ApiResult {
    let is_external = is_external(request)?;
    let idempotency_key = idempotency::key_of(request)?;
    let input = if is_external {
        Input::for_external_worker(request)?
    } else {
        Input::for_pipeline(request, context.input_rules)?
    };
    let creation = NewJob {
        request,
        request_id,
        is_external,
        input,
    };
    match idempotency_key {
        None => Box::pin(create(context, creation)).await,
        Some(key) => Box::pin(create_once(context, creation, &key)).await,
    }
}

/// What a request asks for.
struct NewJob<'a> {
    request: &'a ApiGatewayV2httpRequest,
    request_id: &'a RequestId,
    is_external: bool,
    input: Input,
}

async fn create(context: &Context, new: NewJob<'_>) -> ApiResult {
    let now = context.clock.now();
    let job_id = JobId::new(now, random());
    let keys = Keys::random(new.is_external);
    let job = new.queued(&job_id, &keys, now);
    let is_external = new.is_external;
    prepare(context, &job_id, new.input, is_external).await?;
    if !context.jobs.create(&job).await? {
        return Err(id_taken());
    }
    start(context, &job, is_external).await?;
    ApiResponse::json(202, &created(context, job_id, keys))
}

/// Creates the job, or returns the one that an earlier request has created under the idempotency key.
async fn create_once(context: &Context, new: NewJob<'_>, idempotency_key: &str) -> ApiResult {
    let is_external = new.is_external;
    let request_sha256 = idempotency::request_sha256(is_external, &new.input);
    let repeated = |creation: Creation| {
        idempotency::require_same_request(&creation, &request_sha256)?;
        let keys = Keys::derived(&creation, idempotency_key, is_external);
        let body = created(context, creation.created_job_id, keys);
        Ok(ApiResponse::json(202, &body)?.repeated())
    };
    if let Some(creation) = context.jobs.find_creation(idempotency_key).await? {
        return repeated(creation);
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
    let keys = Keys::derived(&creation, idempotency_key, is_external);
    let job = new.queued(&job_id, &keys, now);
    prepare(context, &job_id, new.input, is_external).await?;
    let outcome = context
        .jobs
        .create_once(&job, &creation, idempotency_key)
        .await?;
    match outcome {
        CreationOutcome::Created => {}
        // Another request with the same key was quicker. The input of this one expires, and its watchdog
        // finds no job.
        CreationOutcome::Repeated(creation) => return repeated(creation),
        CreationOutcome::IdTaken => return Err(id_taken()),
    }
    start(context, &job, is_external).await?;
    ApiResponse::json(202, &created(context, job_id, keys))
}

/// The keys of a new job.
struct Keys {
    access: AccessKey,
    worker: Option<WorkerKey>,
}

impl Keys {
    fn random(is_external: bool) -> Self {
        Self {
            access: AccessKey::new(random()),
            worker: is_external.then(|| WorkerKey::new(random())),
        }
    }

    fn derived(creation: &Creation, idempotency_key: &str, is_external: bool) -> Self {
        Self {
            access: creation.access_key(idempotency_key),
            worker: is_external.then(|| creation.worker_key(idempotency_key)),
        }
    }
}

impl NewJob<'_> {
    fn queued(&self, job_id: &JobId, keys: &Keys, now: Timestamp) -> Job {
        let job = Job::queued(
            job_id.clone(),
            &keys.access,
            self.request_id.clone(),
            correlation_id(self.request).unwrap_or_else(|| self.request_id.to_string()),
            self.input.content_type.clone(),
            now,
        );
        match &keys.worker {
            Some(worker_key) => job.for_external_worker(worker_key),
            None => job,
        }
    }
}

/// Stores the input and schedules the watchdog, before the job exists.
async fn prepare(
    context: &Context,
    job_id: &JobId,
    input: Input,
    is_external: bool,
) -> Result<(), ApiError> {
    tokio::try_join!(
        store_input(context, job_id, input),
        schedule_watchdog(context, job_id, is_external),
    )?;
    Ok(())
}

/// Queues a stored job of the pipeline.
async fn start(context: &Context, job: &Job, is_external: bool) -> Result<(), ApiError> {
    let job_id = &job.job_id;
    if !is_external {
        let message = JobMessage::new(job_id.clone());
        context.queues.send::<JobQueue>(&message, 0).await?;
    }
    tracing::info!(%job_id, is_external, correlation_id = job.correlation_id, "created");
    Ok(())
}

fn created(context: &Context, job_id: JobId, keys: Keys) -> JobCreated {
    JobCreated {
        status_url: format!("/v1/jobs/{job_id}"),
        job_id,
        access_key: keys.access,
        worker_key: keys.worker,
        websocket_url: context.websocket_url.clone(),
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

/// Schedules the watchdog of a job of the pipeline. It comes before the job is stored, so that every
/// job has one; if storing the job fails, the watchdog finds no job and ends. The watchdog of an
/// external job starts with its first claim.
async fn schedule_watchdog(
    context: &Context,
    job_id: &JobId,
    is_external: bool,
) -> Result<(), ApiError> {
    if !is_external {
        let delay = watchdog::FIRST_CHECK_SECONDS;
        watchdog::schedule(&context.queues, job_id, None, delay).await?;
    }
    Ok(())
}

/// Whether an external worker runs the job, instead of the pipeline.
fn is_external(request: &ApiGatewayV2httpRequest) -> Result<bool, ApiError> {
    match request.query_string_parameters.first(WORKER_PARAMETER) {
        None => Ok(false),
        Some(EXTERNAL_WORKER) => Ok(true),
        Some(other) => {
            let other: String = other.chars().take(64).collect();
            let error = ApiError::new(
                HttpErrorCode::InvalidParameter,
                format!(
                    "there is no worker '{other}'; leave `{WORKER_PARAMETER}` out for the \
                     pipeline, or say {WORKER_PARAMETER}={EXTERNAL_WORKER} for a worker of your own"
                ),
            );
            Err(error.with("parameter", WORKER_PARAMETER))
        }
    }
}

/// The correlation id in the request, if it is valid for log lines.
fn correlation_id(request: &ApiGatewayV2httpRequest) -> Option<String> {
    let id = request.headers.get("x-correlation-id")?.to_str().ok()?;
    let is_valid = !id.is_empty()
        && id.len() <= MAX_CORRELATION_ID_BYTES
        && typed_contract::names::is_alphanumeric_or(id, b"-_.:");
    is_valid.then(|| id.to_owned())
}
