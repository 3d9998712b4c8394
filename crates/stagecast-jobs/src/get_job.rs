//! `GET /v1/jobs/{job_id}`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::owner_tokens::Scope;
use stagecast_core::http::{ApiResponse, ApiResult};

use crate::{access, context::Context};

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request, Scope::Watch).await?;
    let last = context.events.at(&job.job_id, job.seq).await?;
    let artifacts = context.artifacts.load(&job).await?.all();
    ApiResponse::json(200, &job.snapshot_with(last.as_ref(), artifacts))
}
