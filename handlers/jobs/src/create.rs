//! `POST /v1/jobs`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::{error::DisplayErrorContext, primitives::ByteStream};
use contract::{
    buckets::{self, input_key},
    http::{EXTERNAL_WORKER, HttpErrorCode, JobCreated, WORKER_PARAMETER},
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    queues::{JobMessage, JobQueue},
};
use handlers_core::{
    clock::random,
    http::{ApiError, ApiResponse, ApiResult},
    models::Job,
    watchdog,
};

use crate::{handler::Handler, input::Input};

/// Longest correlation id that is taken over from a caller, in bytes.
const MAX_CORRELATION_ID_BYTES: usize = 128;

impl Handler {
    pub(crate) async fn create(
        &self,
        request: &ApiGatewayV2httpRequest,
        request_id: &RequestId,
    ) -> ApiResult {
        let is_external = is_external(request)?;
        let input = if is_external {
            Input::any(request)?
        } else {
            Input::of(request, self.rules)?
        };
        let now = self.clock.now();
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
        let stored = async {
            self.objects
                .put_object::<buckets::Objects>()
                .key(input_key(&job_id))
                .content_type(input.content_type)
                .body(ByteStream::from(input.bytes))
                .send()
                .await
                .map_err(|error| ApiError::internal(DisplayErrorContext(error).to_string()))
        };
        // The watchdog is first: a job that is there has one. It finds no job if this fails.
        let watched = async {
            if is_external {
                return Ok(());
            }
            let first = watchdog::FIRST_CHECK_SECONDS;
            let started = watchdog::schedule(&self.queues, &job_id, None, first).await;
            started.map_err(ApiError::from)
        };
        tokio::try_join!(stored, watched)?;
        if !self.jobs.create(&job).await? {
            return Err(ApiError::internal("two jobs were given the same random id"));
        }
        if !is_external {
            let ticket = JobMessage::new(job_id.clone());
            self.queues.send::<JobQueue>(&ticket, 0).await?;
        }
        tracing::info!(%job_id, is_external, correlation_id = job.correlation_id, "created");
        let created = JobCreated {
            status_url: format!("/v1/jobs/{job_id}"),
            job_id,
            access_key,
            worker_key,
            websocket_url: self.websocket_url.clone(),
        };
        ApiResponse::json(202, &created)
    }
}

/// Whether the job waits for a worker of its own, instead of the pipeline.
fn is_external(request: &ApiGatewayV2httpRequest) -> Result<bool, ApiError> {
    match request.query_string_parameters.first(WORKER_PARAMETER) {
        None => Ok(false),
        Some(EXTERNAL_WORKER) => Ok(true),
        Some(other) => {
            let other: String = other.chars().take(64).collect();
            let problem = ApiError::new(
                HttpErrorCode::InvalidParameter,
                format!(
                    "there is no worker '{other}'; leave `{WORKER_PARAMETER}` out for the \
                     pipeline, or say {WORKER_PARAMETER}={EXTERNAL_WORKER} for a worker of your own"
                ),
            );
            Err(problem.with("parameter", WORKER_PARAMETER))
        }
    }
}

/// The caller's own id for what it does, if it is fit for logs.
fn correlation_id(request: &ApiGatewayV2httpRequest) -> Option<String> {
    let id = request.headers.get("x-correlation-id")?.to_str().ok()?;
    let is_fit = !id.is_empty()
        && id.len() <= MAX_CORRELATION_ID_BYTES
        && contract::names::is_alphanumeric_or(id, b"-_.:");
    is_fit.then(|| id.to_owned())
}
