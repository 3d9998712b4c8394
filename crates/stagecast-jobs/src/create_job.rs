//! `POST /v1/jobs`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::{error::DisplayErrorContext, primitives::ByteStream};
use stagecast_contract::{
    buckets::{self, input_key},
    http::{EXTERNAL_WORKER, HttpErrorCode, JobCreated, WORKER_PARAMETER},
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    queues::{JobMessage, JobQueue},
};
use stagecast_core::{
    clock::random,
    http::{ApiError, ApiResponse, ApiResult},
    models::Job,
    watchdog,
};

use crate::{context::Context, input::Input};

/// Maximum length of a caller's correlation id, in bytes. Longer ones are ignored.
const MAX_CORRELATION_ID_BYTES: usize = 128;

pub(crate) async fn handle(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    request_id: &RequestId,
) -> ApiResult {
    let is_external = is_external(request)?;
    let input = if is_external {
        Input::for_external_worker(request)?
    } else {
        Input::for_pipeline(request, context.input_rules)?
    };
    let now = context.clock.now();
    let job_id = JobId::new(now, random());
    let access_key = AccessKey::new(random());
    let worker_key = is_external.then(|| WorkerKey::new(random()));
    let correlation_id = correlation_id(request).unwrap_or_else(|| request_id.to_string());
    let mut job = Job::queued(
        job_id.clone(),
        &access_key,
        request_id.clone(),
        correlation_id,
        input.content_type.clone(),
        now,
    );
    if let Some(worker_key) = &worker_key {
        job = job.for_external_worker(worker_key);
    }
    let (input_stored, watchdog_scheduled) = (
        store_input(context, &job_id, input),
        schedule_watchdog(context, &job_id, is_external),
    );
    tokio::try_join!(input_stored, watchdog_scheduled)?;
    if !context.jobs.create(&job).await? {
        return Err(ApiError::internal("two jobs were given the same random id"));
    }
    if !is_external {
        let message = JobMessage::new(job_id.clone());
        context.queues.send::<JobQueue>(&message, 0).await?;
    }
    tracing::info!(%job_id, is_external, correlation_id = job.correlation_id, "created");
    let created = JobCreated {
        status_url: format!("/v1/jobs/{job_id}"),
        job_id,
        access_key,
        worker_key,
        websocket_url: context.websocket_url.clone(),
    };
    ApiResponse::json(202, &created)
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
