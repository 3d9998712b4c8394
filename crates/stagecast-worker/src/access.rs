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
    if !job.verify_access_key(&AccessKey::from_client(key)) {
        return Err(forbidden());
    }
    // The access key proves that the client may know about the job, so these errors may be specific.
    Err(if job.worker_key_sha256.is_some() {
        ApiError::new(
            HttpErrorCode::Forbidden,
            "this is the job's access key, which is for watching; send its worker_key",
        )
    } else {
        ApiError::new(
            HttpErrorCode::NotExternal,
            "the job is the pipeline's; make one for a worker of your own with \
             POST /v1/jobs?worker=external",
        )
    })
}

/// The same message for a wrong key and for an unknown job, so that it does not reveal whether the job
/// exists.
fn forbidden() -> ApiError {
    ApiError::new(
        HttpErrorCode::Forbidden,
        "the worker key is missing or is not this job's; send the one that \
         POST /v1/jobs?worker=external answered with, as 'Authorization: Bearer {worker_key}'",
    )
}
