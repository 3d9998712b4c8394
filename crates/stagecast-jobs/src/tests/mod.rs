//! The handler on AWS in this process: requests in; answers, items, objects and messages out.

mod artifacts;
mod cancel;
mod create;
mod delayed_start;
mod descriptions;
mod events;
mod idempotency;
mod limits;
mod list;
mod owner_tokens;
mod queues;
mod results;
mod retention;
mod status;
mod uploads;
mod webhooks;

use aws_config::retry::RetryConfig;
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use serde_json::Value;
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE,
    functions::JobsFunction,
    input::{InputRules, MediaType, any_parameters, no_check},
    queues::DeliveryQueue,
    routes::HttpRoute,
    tables::Jobs,
};
use stagecast_core::clock::Clock;
use stagecast_infra::project::Project;
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob},
    http_api::{Answer, job_request, request, with_body, with_header},
};

use crate::Handler;

/// The inputs that the pipeline of these tests accepts.
static TABLES: InputRules = InputRules {
    name: "table",
    media_types: &[MediaType {
        name: "text/csv",
        label: "CSV",
        extensions: &[".csv"],
        signature: b"",
    }],
    max_bytes: 1000,
    check: no_check,
    check_parameters: any_parameters,
    example: "",
};

/// The function on AWS services in this process, with a clock that only tests advance.
struct Site {
    aws: TestAws,
    clock: Clock,
    handler: Handler,
}

impl Site {
    fn new() -> Self {
        Self::retrying(RetryConfig::disabled())
    }

    /// A function whose SDK makes three attempts, as on AWS.
    fn with_sdk_retries() -> Self {
        Self::retrying(RetryConfig::standard())
    }

    /// A function whose pipeline accepts these inputs.
    fn accepting(rules: &'static InputRules) -> Self {
        Self::of(RetryConfig::disabled(), rules)
    }

    fn retrying(retries: RetryConfig) -> Self {
        Self::of(retries, &TABLES)
    }

    fn of(retries: RetryConfig, rules: &'static InputRules) -> Self {
        Self::on(TestAws::new(), retries, rules)
    }

    /// The function of a product whose pipeline accepts [`TABLES`].
    fn of_project(project: Project) -> Self {
        Self::on(TestAws::of(project), RetryConfig::disabled(), &TABLES)
    }

    fn on(aws: TestAws, retries: RetryConfig, rules: &'static InputRules) -> Self {
        let clock = fixtures::clock();
        let config = aws.config::<JobsFunction>();
        let config = config.change(|config| config.into_builder().retry_config(retries).build());
        let environment = fixtures::environment(&aws);
        let handler = Handler::new(&config, &environment, clock.clone(), rules);
        let handler = handler.expect("the template sets valid variables");
        Self {
            aws,
            clock,
            handler,
        }
    }

    /// The job of the test, which waits for the pipeline.
    async fn job(&self) -> TestJob {
        fixtures::job(&self.aws, &self.clock, 1).await
    }

    async fn handle(&self, request: ApiGatewayV2httpRequest) -> Answer {
        Box::pin(self.handler.handle(request)).await.into()
    }

    /// A request of `route` with the job's access key.
    async fn ask(&self, route: HttpRoute, job: &TestJob) -> Answer {
        let key = job.access_key.reveal();
        self.handle(job_request(route, job.id.as_str(), key)).await
    }

    /// The items of all jobs.
    fn items(&self) -> Vec<Value> {
        self.aws.items::<Jobs>()
    }

    /// The delivery tasks on the queue, without watchdogs.
    fn deliveries(&self) -> Vec<Value> {
        let mut messages = self.aws.queued::<DeliveryQueue>();
        messages.retain(|message| {
            message["content"]["watchdog"].is_null() && message["content"] != "upload_deadline"
        });
        messages
    }

    /// Creates a job from a description.
    async fn describe(&self, description: &Value) -> Answer {
        let request = with_body(request(HttpRoute::CreateJob), description.to_string());
        self.handle(with_header(request, "content-type", JOB_DESCRIPTION_TYPE))
            .await
    }

    /// The jobs whose uploads are checked.
    fn upload_checks(&self) -> Vec<String> {
        let mut messages = self.aws.queued::<DeliveryQueue>();
        messages.retain(|message| message["content"] == "upload_deadline");
        let ids = messages.iter().map(|message| message["job_id"].as_str());
        ids.map(|id| id.unwrap_or_default().to_owned()).collect()
    }

    /// The jobs whose watchdogs are on the queue.
    fn watchdogs(&self) -> Vec<String> {
        let mut messages = self.aws.queued::<DeliveryQueue>();
        messages.retain(|message| !message["content"]["watchdog"].is_null());
        let ids = messages.iter().map(|message| message["job_id"].as_str());
        ids.map(|id| id.unwrap_or_default().to_owned()).collect()
    }
}
