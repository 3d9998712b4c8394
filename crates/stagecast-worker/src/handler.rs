//! Selects the route of a request.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use granted_aws::Environment;
use stagecast_contract::{
    functions::WorkerFunction, http::HttpErrorCode, ids::RequestId, routes::HttpRoute,
};
use stagecast_core::{
    clock::{Clock, random},
    http::{ApiError, job_id_of, respond},
};
use tracing::Instrument as _;

use crate::{
    claim, claim_from_queue,
    context::{Context, InvalidSetting},
    get_input, post_events, release, upload_artifact,
};

/// Serves the requests of external workers.
#[derive(Debug)]
pub struct Handler {
    context: Context,
}

impl Handler {
    /// A handler for the stack that `environment` describes.
    pub fn new(
        config: &granted_aws::Aws,
        environment: &Environment<WorkerFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        Ok(Self {
            context: Context::new(config, environment, clock)?,
        })
    }

    /// The same handler with a limit of running jobs of each owner.
    #[cfg(test)]
    pub(crate) fn with_owner_limit(mut self, jobs: u16) -> Self {
        self.context.owner_limit = Some(stagecast_contract::worker_queues::OwnerLimit::new(jobs));
        self
    }

    /// Serves a request. Every error becomes a response and is logged: for an invocation that fails,
    /// API Gateway would send an error in another format.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let context = &self.context;
        let request_id = RequestId::new(context.stores.clock.now(), random());
        let route_key = request.route_key.clone().unwrap_or_default();
        let span = tracing::info_span!(
            "request",
            %request_id,
            route = route_key,
            job_id = job_id_of(&request)
                .ok()
                .map(tracing::field::display),
            queue = request.path_parameters.get("queue"),
            correlation_id = tracing::field::Empty,
        );
        async {
            let route = HttpRoute::from_key(&route_key);
            let result = match route {
                Some(HttpRoute::ClaimJob) => Box::pin(claim::handle(context, &request)).await,
                Some(HttpRoute::ClaimFromQueue) => {
                    Box::pin(claim_from_queue::handle(context, &request)).await
                }
                Some(HttpRoute::ReleaseJob) => Box::pin(release::handle(context, &request)).await,
                Some(HttpRoute::GetInput) => get_input::handle(context, &request).await,
                Some(HttpRoute::UploadArtifact) => upload_artifact::handle(context, &request).await,
                Some(HttpRoute::PostEvents) => {
                    Box::pin(post_events::handle(context, &request)).await
                }
                Some(
                    HttpRoute::CreateJob
                    | HttpRoute::ListJobs
                    | HttpRoute::GetJob
                    | HttpRoute::GetEvents
                    | HttpRoute::GetResults
                    | HttpRoute::GetArtifact
                    | HttpRoute::GetUpload
                    | HttpRoute::CompleteUpload
                    | HttpRoute::CancelJob,
                )
                | None => {
                    return respond(None, &request_id, Err(unknown_route(&route_key)));
                }
            };
            respond(route, &request_id, result)
        }
        .instrument(span)
        .await
    }
}

fn unknown_route(route_key: &str) -> ApiError {
    ApiError::new(
        HttpErrorCode::NotFound,
        format!("there is no route '{route_key}'"),
    )
}
