//! What can be done with a job that exists.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use contract::{
    http::{CancelAccepted, HttpErrorCode},
    ids::{AccessKey, JobId, WorkerKey},
    messages::{JobStatus, Results, ServerMessage},
};
use handlers_core::{
    cancellation::Cancellation,
    http::{ApiError, ApiResponse, ApiResult, bearer_token, job_id_of},
    models::{Event, Job},
    stores::{StoreError, StoredResults},
};

use crate::handler::Handler;

impl Handler {
    /// `GET /v1/jobs/{job_id}`
    pub(crate) async fn status(&self, request: &ApiGatewayV2httpRequest) -> ApiResult {
        let job = self.authorized(request).await?;
        let last = self.event(&job.job_id, job.seq).await?;
        ApiResponse::json(200, &job.snapshot_with(last.as_ref()))
    }

    /// `GET /v1/jobs/{job_id}/results`, and with `?stage=` those of one stage.
    pub(crate) async fn job_results(&self, request: &ApiGatewayV2httpRequest) -> ApiResult {
        let asked = request.query_string_parameters.first("stage");
        // A worker that goes on after another needs the results of the stages that have finished.
        let may_run_it = |job: &Job, key| asked.is_some() && job.verify_worker_key(&key);
        let job = self.authorized_or(request, may_run_it).await?;
        let seq = match asked {
            Some(stage) => match job.checkpoints.get(stage) {
                Some(seq) => *seq,
                None => return Err(no_results(&job, Some(stage))),
            },
            None if job.status == JobStatus::Completed => job.seq,
            None => return Err(no_results(&job, None)),
        };
        let event = self.event(&job.job_id, seq).await?;
        let results = event.as_ref().and_then(results_of).ok_or_else(|| {
            ApiError::internal(format!(
                "the log has no results at seq {seq} of {}",
                job.job_id
            ))
        })?;
        Ok(match self.results.answer(&job.job_id, results).await? {
            StoredResults::Json(json) => ApiResponse::raw_json(json),
            StoredResults::Url(address) => ApiResponse::redirect(address),
        })
    }

    /// `DELETE /v1/jobs/{job_id}`
    pub(crate) async fn cancel(&self, request: &ApiGatewayV2httpRequest) -> ApiResult {
        let job = self.authorized(request).await?;
        match self.canceller.cancel(&job.job_id).await? {
            Cancellation::Requested => {
                let accepted = CancelAccepted {
                    job_id: job.job_id,
                    cancel_requested: true,
                };
                ApiResponse::json(202, &accepted)
            }
            // The job was running when its key was checked: what it is now counts.
            Cancellation::AlreadyFinished(status) => Err(ApiError::new(
                HttpErrorCode::JobAlreadyFinished,
                format!(
                    "the job is {}; there is nothing to cancel",
                    status.map_or("gone", JobStatus::name)
                ),
            )),
        }
    }

    /// The job in the path, if the key in the header opens it.
    async fn authorized(&self, request: &ApiGatewayV2httpRequest) -> Result<Job, ApiError> {
        self.authorized_or(request, |_, _| false).await
    }

    /// [`Self::authorized`], or if `may` says so of the key as a worker's.
    async fn authorized_or(
        &self,
        request: &ApiGatewayV2httpRequest,
        may: impl Fn(&Job, WorkerKey) -> bool,
    ) -> Result<Job, ApiError> {
        let job_id = job_id_of(request)?;
        let job = match bearer_token(request) {
            Some(key) => self.jobs.load(&job_id).await?.filter(|job| {
                job.verify_access_key(&AccessKey::from_client(key))
                    || may(job, WorkerKey::from_client(key))
            }),
            None => None,
        };
        // The same words for a wrong key and for no such job: strangers learn nothing.
        job.ok_or_else(|| {
            ApiError::new(
                HttpErrorCode::Forbidden,
                "the access key is missing or does not open this job; send the one that \
                 POST /v1/jobs answered with, as 'Authorization: Bearer {access_key}'",
            )
        })
    }

    async fn event(&self, job_id: &JobId, seq: u64) -> Result<Option<Event>, StoreError> {
        self.events.at(job_id, seq).await
    }
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
        Some(stage) => format!(
            "the job is {status} and has no results of a stage '{stage}'; finished stages: {}",
            if job.checkpoints.is_empty() {
                "none".to_owned()
            } else {
                job.checkpoints
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        ),
        None if job.status.has_ended() => format!("the job is {status}; it has no results"),
        None => format!("the job is {status}; its results are there once it is completed"),
    };
    ApiError::new(HttpErrorCode::NoResults, message)
}
