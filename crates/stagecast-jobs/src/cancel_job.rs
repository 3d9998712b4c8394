//! `DELETE /v1/jobs/{job_id}`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::{CancelAccepted, HttpErrorCode},
    messages::JobStatus,
    owner_tokens::Scope,
};
use stagecast_core::{
    cancellation::Cancellation,
    http::{ApiError, ApiResponse, ApiResult},
};

use crate::{access, context::Context};

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request, Scope::Cancel).await?;
    match context.canceller.cancel(&job.job_id).await? {
        Cancellation::Requested => {
            let accepted = CancelAccepted {
                job_id: job.job_id,
                cancel_requested: true,
            };
            ApiResponse::json(202, &accepted)
        }
        // The job may have ended since it was loaded, so this status is the current one.
        Cancellation::AlreadyFinished(status) => Err(ApiError::new(
            HttpErrorCode::JobAlreadyFinished,
            format!(
                "the job is {}; there is nothing to cancel",
                status.map_or("gone", JobStatus::name)
            ),
        )),
    }
}
