//! From a request to the route that serves it.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use contract::{
    environment::WebSocketUrl, functions::JobsFunction, http::HttpErrorCode, ids::RequestId,
    input::InputRules, routes::HttpRoute,
};
use handlers_core::{
    aws::{Database, Environment, Objects, Queues},
    cancellation::Canceller,
    clock::{Clock, random},
    http::{ApiError, job_id_of, respond},
    stores::{EventStore, JobStore, ResultStore},
};
use tracing::Instrument as _;

/// Everything that the routes work with.
#[derive(Debug)]
pub struct Handler {
    pub(crate) jobs: JobStore<JobsFunction>,
    pub(crate) events: EventStore<JobsFunction>,
    pub(crate) results: ResultStore<JobsFunction>,
    pub(crate) objects: Objects<JobsFunction>,
    pub(crate) queues: Queues<JobsFunction>,
    pub(crate) canceller: Canceller<JobsFunction>,
    pub(crate) websocket_url: String,
    pub(crate) clock: Clock,
    /// What the jobs of the pipeline are made from.
    pub(crate) rules: &'static InputRules,
}

impl Handler {
    /// A handler for the stack that the environment describes, whose pipeline runs jobs that are made
    /// by `rules`.
    pub fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<JobsFunction>,
        clock: Clock,
        rules: &'static InputRules,
    ) -> Self {
        let database = Database::new(config, environment);
        let objects = Objects::new(config, environment);
        let queues = Queues::new(config, environment);
        let jobs = JobStore::new(database.clone(), clock.clone());
        let events = EventStore::new(database);
        Self {
            results: ResultStore::new(objects.clone()),
            canceller: Canceller::new(jobs.clone(), events.clone(), queues.clone(), clock.clone()),
            jobs,
            events,
            objects,
            queues,
            websocket_url: environment.get::<WebSocketUrl>().to_owned(),
            clock,
            rules,
        }
    }

    /// Serves a request. What goes wrong is answered and logged, never thrown: API Gateway would
    /// answer in our stead.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let request_id = RequestId::new(self.clock.now(), random());
        let route_key = request.route_key.clone().unwrap_or_default();
        let span = tracing::info_span!(
            "request",
            %request_id,
            route = route_key,
            job_id = job_id_of(&request).ok().map(tracing::field::display),
        );
        async {
            let route = HttpRoute::from_key(&route_key);
            let outcome = match route {
                Some(HttpRoute::CreateJob) => self.create(&request, &request_id).await,
                Some(HttpRoute::GetJob) => self.status(&request).await,
                Some(HttpRoute::GetResults) => self.job_results(&request).await,
                Some(HttpRoute::CancelJob) => self.cancel(&request).await,
                Some(HttpRoute::ClaimJob | HttpRoute::GetInput | HttpRoute::PostEvents) | None => {
                    return respond(None, &request_id, Err(unknown(&route_key)));
                }
            };
            respond(route, &request_id, outcome)
        }
        .instrument(span)
        .await
    }
}

fn unknown(route_key: &str) -> ApiError {
    ApiError::new(
        HttpErrorCode::NotFound,
        format!("there is no route '{route_key}'"),
    )
}
