//! The permission to use a job, or to create one.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::HttpErrorCode,
    ids::{AccessKey, WorkerKey},
    owner_tokens::Scope,
};
use stagecast_core::{
    http::{ApiError, bearer_token, job_id_of},
    models::Job,
    owner_tokens::OwnerAccess,
};

use crate::context::Context;

/// Loads the job in the path if the bearer token is its access key, or an owner token with this scope for the job.
pub(crate) async fn load_job(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    scope: Scope,
) -> Result<Job, ApiError> {
    load_job_if(context, request, scope, |job, key| {
        job.verify_access_key(&AccessKey::from_client(key))
    })
    .await
}

/// Loads the job in the path if [`load_job`] would do so, or if the bearer token is its worker key.
pub(crate) async fn load_job_for_worker(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    scope: Scope,
) -> Result<Job, ApiError> {
    load_job_if(context, request, scope, |job, key| {
        job.verify_access_key(&AccessKey::from_client(key))
            || job.verify_worker_key(&WorkerKey::from_client(key))
    })
    .await
}

async fn load_job_if(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
    scope: Scope,
    is_permitted: impl Fn(&Job, &str) -> bool,
) -> Result<Job, ApiError> {
    let job_id = job_id_of(request)?;
    let Some(bearer) = bearer_token(request) else {
        return Err(forbidden());
    };
    if context.owner_tokens.is_token(bearer) {
        let access = verify(context, bearer, scope).await?;
        let job = context.jobs.load(&job_id).await?;
        return job
            .filter(|job| access.includes(job))
            .ok_or_else(not_of_token);
    }
    let job = context.jobs.load(&job_id).await?;
    job.filter(|job| is_permitted(job, bearer))
        .ok_or_else(forbidden)
}

async fn verify(context: &Context, token: &str, scope: Scope) -> Result<OwnerAccess, ApiError> {
    let now = context.clock.now();
    Ok(context.owner_tokens.verify(token, scope, now).await?)
}

/// The permission to create a job: that of the request's owner token. None if the environment lets anyone create jobs
/// and the request has no token. Without keys of tokens, the header belongs to a `job_authorizer`.
pub(crate) async fn to_create(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
) -> Result<Option<OwnerAccess>, ApiError> {
    let tokens = &context.owner_tokens;
    let bearer = bearer_token(request).filter(|_| tokens.has_keys());
    let Some(token) = bearer else {
        return if tokens.is_required() {
            Err(token_required(tokens.has_keys()))
        } else {
            Ok(None)
        };
    };
    let access = verify(context, token, Scope::Create).await?;
    if let Some(job_id) = access.claims().job() {
        let message =
            format!("the token is limited to the job {job_id}, and cannot create another one");
        let error = ApiError::new(HttpErrorCode::TokenForbidden, message);
        return Err(error.with("limit", "job"));
    }
    Ok(Some(access))
}

/// The permission to list jobs, which only an owner token gives: an access key is that of one job.
pub(crate) async fn to_list(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
) -> Result<OwnerAccess, ApiError> {
    let Some(token) = bearer_token(request) else {
        let message = "a token is needed to list the jobs of its owner; get one from your application, with the scope \
                       `watch`, and send it as 'Authorization: Bearer {token}'";
        return Err(ApiError::new(HttpErrorCode::TokenRequired, message));
    };
    let access = verify(context, token, Scope::Watch).await?;
    if let Some(job_id) = access.claims().job() {
        let message =
            format!("the token is limited to one job; request GET /v1/jobs/{job_id} instead");
        return Err(ApiError::new(HttpErrorCode::TokenForbidden, message).with("limit", "job"));
    }
    Ok(access)
}

fn token_required(has_keys: bool) -> ApiError {
    let message = if has_keys {
        "a token is needed to create a job; get one from your application, with the scope `create`, and send it as \
         'Authorization: Bearer {token}'"
    } else {
        "only holders of tokens can create jobs, and the environment lists no keys of tokens: the operator sets `tokens` \
         where the project declares its environments"
    };
    ApiError::new(HttpErrorCode::TokenRequired, message)
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

/// The same message for a job of another owner and for an unknown job.
fn not_of_token() -> ApiError {
    ApiError::new(
        HttpErrorCode::Forbidden,
        "the owner of the token has no such job, or the token is limited to another job or to other labels",
    )
}
