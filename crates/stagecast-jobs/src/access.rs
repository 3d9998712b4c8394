//! The permission to use a job.

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

/// Loads the job in the path if the bearer token is its access key.
pub(crate) async fn load_job(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
) -> Result<Job, ApiError> {
    load_job_if(context, request, |job, key| {
        job.verify_access_key(&AccessKey::from_client(key))
    })
    .await
}

/// Loads the job in the path if the bearer token is its access key or its worker key.
pub(crate) async fn load_job_for_worker(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
) -> Result<Job, ApiError> {
    load_job_if(context, request, |job, key| {
        job.verify_access_key(&AccessKey::from_client(key))
            || job.verify_worker_key(&WorkerKey::from_client(key))
    })
    .await
}

async fn load_job_if(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    is_permitted: impl Fn(&Job, &str) -> bool,
) -> Result<Job, ApiError> {
    let job_id = job_id_of(request)?;
    let job = match bearer_token(request) {
        Some(key) => {
            let job = context.jobs.load(&job_id).await?;
            job.filter(|job| is_permitted(job, key))
        }
        None => None,
    };
    job.ok_or_else(forbidden)
}

/// The same message for a wrong key and for an unknown job, so that it does not reveal whether the job
/// exists.
fn forbidden() -> ApiError {
    ApiError::new(
        HttpErrorCode::Forbidden,
        "the access key is missing or does not open this job; send the one that POST /v1/jobs \
         answered with, as 'Authorization: Bearer {access_key}'",
    )
}
