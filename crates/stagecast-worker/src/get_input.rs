//! `GET /v1/jobs/{job_id}/input`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::error::DisplayErrorContext;
use stagecast_contract::buckets::{self, input_key};
use stagecast_core::http::{ApiError, ApiResponse, ApiResult};

use crate::{access, context::Context};

/// Returns the input itself. It fits into a response, because it arrived in a request. A redirect to
/// the bucket would fail: some HTTP clients repeat the `Authorization` header, which S3 rejects.
pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request).await?;
    let object = context
        .objects
        .get_object::<buckets::Objects>()
        .key(input_key(&job.job_id))
        .send()
        .await
        .map_err(|error| ApiError::internal(DisplayErrorContext(error).to_string()))?;
    let bytes = object.body.collect().await.map_err(ApiError::internal)?;
    Ok(ApiResponse::bytes(bytes.to_vec(), job.content_type))
}
