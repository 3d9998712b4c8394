//! The permission to run a job.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::HttpErrorCode,
    ids::{AccessKey, WorkerKey},
};
use stagecast_core::{
    http::{ApiError, bearer_token, job_id_of},
    models::Job,
};

use crate::context::Context;

/// Loads the job in the path if the bearer token is its worker key.
pub(crate) async fn load_job(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
) -> Result<Job, ApiError> {
    let job_id = job_id_of(request)?;
    let Some(key) = bearer_token(request) else {
        return Err(forbidden());
    };
    let job = context.stores.jobs.load(&job_id).await?;
    let job = job.ok_or_else(forbidden)?;
    if job.verify_worker_key(&WorkerKey::from_client(key)) {
        tracing::Span::current().record("correlation_id", job.correlation_id.as_str());
        return Ok(job);
    }
    if job.is_former_key(&WorkerKey::from_client(key)) {
        return Err(superseded(&job));
    }
    if !job.verify_access_key(&AccessKey::from_client(key)) {
        return Err(forbidden());
    }
    // The access key proves that the client may know about the job, so these errors may be specific.
    Err(if job.is_external() {
        ApiError::new(
            HttpErrorCode::Forbidden,
            "this is the job's access key, which is for watching; send the worker_key of its claim",
        )
    } else {
        ApiError::new(
            HttpErrorCode::NotExternal,
            "the job is the pipeline's; make one for an external worker with \
             POST /v1/jobs?worker=external or POST /v1/jobs?queue=...",
        )
    })
}

/// The key is that of the claim before the latest one.
fn superseded(job: &Job) -> ApiError {
    ApiError::new(
        HttpErrorCode::LeaseLost,
        format!(
            "the job has been claimed from its queue since, with the epoch {}, and this worker_key is that of the \
             claim before; stop working on it",
            job.epoch
        ),
    )
    .with("epoch", job.epoch)
    .with("seq", job.seq)
}

/// The same message for a wrong key and for an unknown job, so that it does not reveal whether the job
/// exists.
fn forbidden() -> ApiError {
    ApiError::new(
        HttpErrorCode::Forbidden,
        "the worker key is missing or is not this job's; send the one that \
         POST /v1/jobs?worker=external or the claim from the queue answered with, as \
         'Authorization: Bearer {worker_key}'",
    )
}
