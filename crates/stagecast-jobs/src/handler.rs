//! Selects the route of a request.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use granted_aws::Environment;
use stagecast_contract::{
    functions::JobsFunction, http::HttpErrorCode, ids::RequestId, input::InputRules,
    routes::HttpRoute,
};
use stagecast_core::{
    clock::{Clock, random},
    http::{ApiError, job_id_of, respond},
};
use tracing::Instrument as _;

use crate::{
    cancel_job,
    context::{Context, InvalidSetting},
    create_job, get_artifact, get_events, get_job, get_results, list_jobs, upload,
};

/// Serves the requests of the HTTP API for clients.
#[derive(Debug)]
pub struct Handler {
    context: Context,
}

impl Handler {
    /// A handler for the stack that `environment` describes. `input_rules` describe the inputs that
    /// its pipeline accepts. Fails if a variable of the environment is invalid.
    pub fn new(
        config: &granted_aws::Aws,
        environment: &Environment<JobsFunction>,
        clock: Clock,
        input_rules: &'static InputRules,
    ) -> Result<Self, InvalidSetting> {
        Ok(Self {
            context: Context::new(config, environment, clock, input_rules)?,
        })
    }

    /// Serves a request. Every error becomes a response and is logged: for an invocation that fails,
    /// API Gateway would send an error in another format.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let context = &self.context;
        let request_id = RequestId::new(context.clock.now(), random());
        let route_key = request.route_key.clone().unwrap_or_default();
        let span = tracing::info_span!(
            "request",
            %request_id,
            route = route_key,
            job_id = job_id_of(&request).ok().map(tracing::field::display),
        );
        Box::pin(async {
            let route = HttpRoute::from_key(&route_key);
            let result = match route {
                Some(HttpRoute::CreateJob) => {
                    create_job::handle(context, &request, &request_id).await
                }
                Some(HttpRoute::ListJobs) => list_jobs::handle(context, &request).await,
                Some(HttpRoute::GetJob) => get_job::handle(context, &request).await,
                Some(HttpRoute::GetEvents) => get_events::handle(context, &request).await,
                Some(HttpRoute::GetResults) => get_results::handle(context, &request).await,
                Some(HttpRoute::GetArtifact) => get_artifact::handle(context, &request).await,
                Some(HttpRoute::GetUpload) => upload::get(context, &request).await,
                Some(HttpRoute::CompleteUpload) => {
                    Box::pin(upload::complete(context, &request)).await
                }
                Some(HttpRoute::CancelJob) => cancel_job::handle(context, &request).await,
                Some(
                    HttpRoute::ClaimJob
                    | HttpRoute::ClaimFromQueue
                    | HttpRoute::ReleaseJob
                    | HttpRoute::GetInput
                    | HttpRoute::UploadArtifact
                    | HttpRoute::PostEvents,
                )
                | None => {
                    return respond(None, &request_id, Err(unknown_route(&route_key)));
                }
            };
            respond(route, &request_id, result)
        })
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
