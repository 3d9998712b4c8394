//! `GET /v1/jobs/{job_id}/input`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::error::DisplayErrorContext;
use contract::buckets::{self, input_key};
use handlers_core::http::{ApiError, ApiResponse, ApiResult};

use crate::handler::Handler;

impl Handler {
    /// Answers with the input itself. It came in through a function, so it fits through one; and a
    /// redirect to the bucket would get the worker key along with it from some HTTP clients, which
    /// S3 refuses.
    pub(crate) async fn input(&self, request: &ApiGatewayV2httpRequest) -> ApiResult {
        let job = self.authorized(request).await?;
        let object = self
            .objects
            .get_object::<buckets::Objects>()
            .key(input_key(&job.job_id))
            .send()
            .await
            .map_err(|error| ApiError::internal(DisplayErrorContext(error).to_string()))?;
        let bytes = object.body.collect().await.map_err(ApiError::internal)?;
        Ok(ApiResponse::bytes(bytes.to_vec(), job.content_type))
    }
}
