//! `GET /v1/jobs/{job_id}/artifacts/{name}`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::HttpErrorCode, limits::MAX_ARTIFACT_NAME_BYTES, owner_tokens::Scope,
};
use stagecast_core::{
    http::{ApiError, ApiResponse, ApiResult},
    models::StoredArtifacts,
};

use crate::{access, context::Context};

/// Redirects to the content of an artifact. Also with the worker key, because a worker that continues the job
/// of another one may need what it has produced.
pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job_for_worker(context, request, Scope::Watch).await?;
    let name = request.path_parameters.get("name");
    let name = name.map(String::as_str).unwrap_or_default();
    let artifacts = context.artifacts.load(&job).await?;
    let artifact = artifacts
        .named(name)
        .ok_or_else(|| no_artifact(name, &artifacts))?;
    let contents = &context.artifact_contents;
    let address = contents.download_url(&job.job_id, artifact).await?;
    Ok(ApiResponse::redirect(address))
}

fn no_artifact(name: &str, artifacts: &StoredArtifacts) -> ApiError {
    let name: String = name.chars().take(MAX_ARTIFACT_NAME_BYTES).collect();
    let names: Vec<_> = artifacts.all().into_iter().map(|it| it.name).collect();
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    let message = format!(
        "the job has no artifact '{name}'; its artifacts so far: {names}. A stage may attach others"
    );
    ApiError::new(HttpErrorCode::NoArtifact, message).with("name", name)
}
