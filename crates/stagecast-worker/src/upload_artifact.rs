//! `POST /v1/jobs/{job_id}/artifacts`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    limits::{MAX_EVENTS_BYTES, UPLOAD_URL_SECONDS},
    messages::JobStatus,
    worker::{ArtifactRequest, ArtifactUpload},
};
use stagecast_core::{
    http::{ApiResponse, ApiResult, read_body},
    stores::ArtifactPut,
};

use crate::{
    access,
    context::Context,
    errors::{finished, lease_lost},
};

/// Answers with the presigned PUT of an artifact's content. Nothing is recorded.
pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request).await?;
    let advice = "without the content, which is sent to the URL of the response";
    let body = read_body(request, MAX_EVENTS_BYTES, advice)?;
    let ArtifactRequest { epoch, artifact } = ArtifactRequest::parse(&body)?;
    if job.status.has_ended() {
        return Err(finished(&job));
    }
    if epoch != job.epoch || job.status == JobStatus::Queued {
        return Err(lease_lost(&job, epoch));
    }
    let put = context
        .artifact_contents
        .upload(&job.job_id, &artifact)
        .await?;
    let ArtifactPut { url, headers } = put;
    let now = context.stores.clock.now();
    let upload = ArtifactUpload {
        job_id: job.job_id,
        url,
        headers,
        url_expires_at: now.plus_seconds(UPLOAD_URL_SECONDS.into()),
    };
    ApiResponse::json(200, &upload)
}
