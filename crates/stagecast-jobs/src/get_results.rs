//! `GET /v1/jobs/{job_id}/results`, and with `?stage=` those of one stage.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::HttpErrorCode,
    messages::{JobStatus, Results, ServerMessage},
    owner_tokens::Scope,
};
use stagecast_core::{
    http::{ApiError, ApiResponse, ApiResult},
    models::{Event, Job},
    stores::StoredResults,
};

use crate::{access, context::Context};

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let stage = request.query_string_parameters.first("stage");
    // A worker that continues the job of another one needs the results of the finished stages.
    let job = match stage {
        Some(_) => access::load_job_for_worker(context, request, Scope::Watch).await?,
        None => access::load_job(context, request, Scope::Watch).await?,
    };
    let seq = match stage {
        Some(stage) => job.checkpoints.get(stage).copied(),
        None => (job.status == JobStatus::Completed).then_some(job.seq),
    };
    let seq = seq.ok_or_else(|| no_results(&job, stage))?;
    let event = context.events.at(&job.job_id, seq).await?;
    let results = event.as_ref().and_then(results_of).ok_or_else(|| {
        ApiError::internal(format!(
            "the log has no results at seq {seq} of {}",
            job.job_id
        ))
    })?;
    Ok(match context.results.answer(&job.job_id, results).await? {
        StoredResults::Json(json) => ApiResponse::raw_json(json),
        StoredResults::Url(address) => ApiResponse::redirect(address),
    })
}

fn results_of(event: &Event) -> Option<Results> {
    match serde_json::from_str(&event.message).ok()? {
        ServerMessage::StageComplete(complete) => Some(complete.results),
        ServerMessage::JobComplete(complete) => Some(complete.results),
        _ => None,
    }
}

fn no_results(job: &Job, stage: Option<&str>) -> ApiError {
    let status = job.status.name();
    let message = match stage {
        Some(stage) => {
            let finished: Vec<_> = job.checkpoints.keys().map(String::as_str).collect();
            let finished = if finished.is_empty() {
                "none".to_owned()
            } else {
                finished.join(", ")
            };
            format!(
                "the job is {status} and has no results of a stage '{stage}'; finished stages: \
                 {finished}"
            )
        }
        None if job.status.has_ended() => format!("the job is {status}; it has no results"),
        None => format!("the job is {status}; its results are there once it is completed"),
    };
    ApiError::new(HttpErrorCode::NoResults, message)
}
