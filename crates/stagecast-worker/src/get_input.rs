//! `GET /v1/jobs/{job_id}/input`.

use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::{error::DisplayErrorContext, presigning::PresigningConfig};
use stagecast_contract::{
    buckets::{self, input_key},
    limits::MAX_INPUT_BYTES,
};
use stagecast_core::http::{ApiError, ApiResponse, ApiResult};

use crate::{access, context::Context};

/// How long the URL of a large input is valid. A download that has begun goes on after it.
const PRESIGNED_FOR: Duration = Duration::from_mins(15);

/// Returns an input that fits into a response, and redirects to the bucket for a larger one. Some HTTP
/// clients repeat the `Authorization` header after a redirect, which S3 rejects, so small inputs are not
/// redirected.
pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request).await?;
    let object = context
        .objects
        .get_object::<buckets::Objects>()
        .key(input_key(&job.job_id))
        .send()
        .await
        .map_err(|error| ApiError::internal(DisplayErrorContext(error).to_string()))?;
    let size = object
        .content_length()
        .and_then(|it| usize::try_from(it).ok());
    if size.is_some_and(|size| size > MAX_INPUT_BYTES) {
        let config = PresigningConfig::expires_in(PRESIGNED_FOR).map_err(ApiError::internal)?;
        let request = context
            .objects
            .get_object::<buckets::Objects>()
            .key(input_key(&job.job_id))
            .presigned(config)
            .await
            .map_err(|error| ApiError::internal(DisplayErrorContext(error).to_string()))?;
        return Ok(ApiResponse::redirect(request.uri().to_owned()));
    }
    let bytes = object.body.collect().await.map_err(ApiError::internal)?;
    Ok(ApiResponse::bytes(bytes.to_vec(), job.content_type))
}
