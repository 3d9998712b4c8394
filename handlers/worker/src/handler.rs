//! From a request to the route that serves it, and to the job that its key is for.

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use contract::{
    functions::WorkerFunction,
    http::HttpErrorCode,
    ids::{AccessKey, RequestId, WorkerKey},
    routes::HttpRoute,
};
use handlers_core::{
    aws::{Environment, Objects},
    clock::{Clock, random},
    delivery::Stores,
    http::{ApiError, bearer_token, job_id_of, respond},
    models::Job,
};
use tracing::Instrument as _;

use crate::publishers::Publishers;

/// Everything that the routes work with.
#[derive(Debug)]
pub struct Handler {
    pub(crate) stores: Arc<Stores<WorkerFunction>>,
    pub(crate) objects: Objects<WorkerFunction>,
    pub(crate) publishers: Publishers,
}

impl Handler {
    /// A handler for the stack that the environment describes.
    pub fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<WorkerFunction>,
        clock: Clock,
    ) -> Self {
        Self {
            stores: Arc::new(Stores::new(config, environment, clock)),
            objects: Objects::new(config, environment),
            publishers: Publishers::default(),
        }
    }

    /// Serves a request. What goes wrong is answered and logged, never thrown: API Gateway would
    /// answer in our stead.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let request_id = RequestId::new(self.stores.clock.now(), random());
        let route_key = request.route_key.clone().unwrap_or_default();
        let span = tracing::info_span!(
            "request",
            %request_id,
            route = route_key,
            job_id = job_id_of(&request).ok().map(tracing::field::display),
            correlation_id = tracing::field::Empty,
        );
        async {
            let route = HttpRoute::from_key(&route_key);
            let outcome = match route {
                Some(HttpRoute::ClaimJob) => self.claim(&request).await,
                Some(HttpRoute::GetInput) => self.input(&request).await,
                Some(HttpRoute::PostEvents) => self.post_events(&request).await,
                Some(
                    HttpRoute::CreateJob
                    | HttpRoute::GetJob
                    | HttpRoute::GetResults
                    | HttpRoute::CancelJob,
                )
                | None => {
                    let message = format!("there is no route '{route_key}'");
                    let problem = ApiError::new(HttpErrorCode::NotFound, message);
                    return respond(None, &request_id, Err(problem));
                }
            };
            respond(route, &request_id, outcome)
        }
        .instrument(span)
        .await
    }

    /// The job in the path, if the key in the header lets its bearer run it.
    pub(crate) async fn authorized(
        &self,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<Job, ApiError> {
        let job_id = job_id_of(request)?;
        let Some(key) = bearer_token(request) else {
            return Err(forbidden());
        };
        let job = self.stores.jobs.load(&job_id).await?;
        let job = job.ok_or_else(forbidden)?;
        if job.verify_worker_key(&WorkerKey::from_client(key)) {
            tracing::Span::current().record("correlation_id", job.correlation_id.as_str());
            return Ok(job);
        }
        // Whoever has made the job may hear more than a stranger.
        if !job.verify_access_key(&AccessKey::from_client(key)) {
            return Err(forbidden());
        }
        Err(if job.worker_key_sha256.is_some() {
            ApiError::new(
                HttpErrorCode::Forbidden,
                "this is the job's access key, which is for watching; send its worker_key",
            )
        } else {
            ApiError::new(
                HttpErrorCode::NotExternal,
                "the job is the pipeline's; make one for a worker of your own with \
                 POST /v1/jobs?worker=external",
            )
        })
    }
}

/// The same words for a wrong key and for no such job: strangers learn nothing.
fn forbidden() -> ApiError {
    ApiError::new(
        HttpErrorCode::Forbidden,
        "the worker key is missing or is not this job's; send the one that \
         POST /v1/jobs?worker=external answered with, as 'Authorization: Bearer {worker_key}'",
    )
}

/// Nothing can be done to a job that has ended.
pub(crate) fn finished(job: &Job) -> ApiError {
    ApiError::new(
        HttpErrorCode::JobAlreadyFinished,
        format!(
            "the job is {}; nothing more can happen to it",
            job.status.name()
        ),
    )
    .with("status", job.status.name())
    .with("seq", job.seq)
}
