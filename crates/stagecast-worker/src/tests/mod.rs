//! The handler on AWS in this process: requests in; answers, items and messages out.

mod artifacts;
mod checkpoints;
mod claim;
mod descriptions;
mod endings;
mod faults;
mod input;
mod keys;
mod late_checkpoints;
mod leases;
mod limits;
mod listening;
mod overlapping;
mod owners;
mod progress;
mod queue_claims;
mod releases;
mod repeats;
mod stages;
mod subscribers;
mod unnamed_stages;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use serde_json::{Value, json};
use stagecast_contract::{
    functions::{DeliveryFunction, WorkerFunction},
    ids::{AccessKey, WorkerKey, WorkerToken},
    limits::LEASE_SECONDS,
    queues::DeliveryQueue,
    routes::HttpRoute,
    tables::{JobEvents, Jobs, WorkQueues},
};
use stagecast_core::{clock::Clock, waiting};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob},
    http_api::{self, Answer, job_request, with_body, with_header},
};

use crate::Handler;

/// The function on AWS services in this process, with a clock that only tests advance.
struct Site {
    aws: TestAws,
    clock: Clock,
    handler: Handler,
}

impl Site {
    fn new() -> Self {
        Self::on(TestAws::new(), fixtures::clock())
    }

    /// Another process of the function.
    fn other_process(&self) -> Self {
        Self::on(self.aws.clone(), self.clock.clone())
    }

    fn on(aws: TestAws, clock: Clock) -> Self {
        let environment = fixtures::environment(&aws);
        let config = aws.config::<WorkerFunction>();
        let handler = Handler::new(&config, &environment, clock.clone()).expect("valid settings");
        Self {
            aws,
            clock,
            handler,
        }
    }

    /// The job of the test, which waits for its worker.
    async fn job(&self) -> TestJob {
        fixtures::external_job(&self.aws, &self.clock, 1).await
    }

    /// The job of the test, claimed by a worker without an id that runs these stages.
    async fn claimed_job(&self, stages: &[&str]) -> TestJob {
        let job = self.job().await;
        self.claim(&job, stages).await.accepted();
        job
    }

    /// The URL of the WebSocket API in the function's environment.
    fn websocket_url(&self) -> String {
        let url = self.aws.variable::<WorkerFunction>("WEBSOCKET_URL");
        url.expect("the function is given the URL")
    }

    async fn handle(&self, request: ApiGatewayV2httpRequest) -> Answer {
        Box::pin(self.handler.handle(request)).await.into()
    }

    async fn claim(&self, job: &TestJob, stages: &[&str]) -> Answer {
        self.claim_with(job, &json!({"stages": stages})).await
    }

    /// A claim of the stage `a` by the worker with this id.
    async fn claim_as(&self, job: &TestJob, worker_id: &str) -> Answer {
        let body = json!({"stages": ["a"], "worker_id": worker_id});
        self.claim_with(job, &body).await
    }

    async fn claim_with(&self, job: &TestJob, body: &Value) -> Answer {
        self.send(HttpRoute::ClaimJob, job, &body.to_string()).await
    }

    /// Posts events under the claim `epoch`, after the durable message `after_seq`.
    async fn post(&self, job: &TestJob, epoch: u64, after_seq: u64, events: Value) -> Answer {
        let body = json!({"epoch": epoch, "after_seq": after_seq, "events": events});
        self.post_text(job, &body.to_string()).await
    }

    async fn post_text(&self, job: &TestJob, body: &str) -> Answer {
        self.send(HttpRoute::PostEvents, job, body).await
    }

    /// The number-th job of the queue `plans`.
    async fn waiting_job(&self, number: u8) -> TestJob {
        fixtures::waiting_job(&self.aws, &self.clock, number, |job| job).await
    }

    /// A token for all queues.
    async fn token(&self) -> WorkerToken {
        fixtures::worker_token(&self.aws, &self.clock, None).await
    }

    /// A claim from the queue.
    async fn claim_from(&self, queue: &str, token: &str, body: &Value) -> Answer {
        let request = http_api::request(HttpRoute::ClaimFromQueue);
        let mut request = with_header(request, "authorization", &format!("Bearer {token}"));
        let parameters = &mut request.path_parameters;
        parameters.insert("queue".to_owned(), queue.to_owned());
        self.handle(with_body(request, body.to_string())).await
    }

    /// Claims the next job of the queue `plans`, which has one. The worker key of the job is that of the claim.
    async fn claim_next(&self, token: &WorkerToken) -> (Value, TestJob) {
        let claimed = self.claim_from("plans", token.reveal(), &json!({})).await;
        let claimed = claimed.accepted();
        let job = Self::job_of(&claimed);
        (claimed, job)
    }

    /// The job of a claim from its queue, with the key of the claim.
    fn job_of(claimed: &Value) -> TestJob {
        let text = |name: &str| claimed[name].as_str().expect("a string").to_owned();
        TestJob {
            id: text("job_id").parse().expect("an id"),
            access_key: AccessKey::from_client(""),
            worker_key: WorkerKey::from_client(text("worker_key")),
        }
    }

    /// Stores the entry of the job as it is now, as the watchdog does when the lease has ended.
    async fn enqueue(&self, job: &TestJob) {
        let stores = fixtures::stores::<DeliveryFunction>(&self.aws, &self.clock);
        let job = stores.jobs.load(&job.id).await.unwrap().expect("the job");
        waiting::enqueue(&stores.waiting, &job).await.unwrap();
    }

    /// Deletes the entry of the job as a late request of its latest claim does.
    async fn dequeue(&self, job: &TestJob) {
        let stores = fixtures::stores::<DeliveryFunction>(&self.aws, &self.clock);
        let job = stores.jobs.load(&job.id).await.unwrap().expect("the job");
        waiting::dequeue(&stores.waiting, &job).await;
    }

    async fn release(&self, job: &TestJob, epoch: u64, delay: u64) -> Answer {
        let body = json!({"epoch": epoch, "delay_seconds": delay});
        self.send(HttpRoute::ReleaseJob, job, &body.to_string())
            .await
    }

    /// The entries of the queue `plans`, in their order, as the job's id and the claims before.
    fn entries(&self) -> Vec<(String, u64)> {
        let mut items = self.aws.items::<WorkQueues>();
        let is_entry = |entry: &str| entry.starts_with("waiting#");
        items.retain(|item| item["queue"]["S"] == "plans");
        items.retain(|item| item["entry"]["S"].as_str().is_some_and(is_entry));
        items.sort_by_key(|item| item["entry"]["S"].to_string());
        let entry = |item: &Value| {
            let epoch = item["epoch"]["N"].as_str().and_then(|it| it.parse().ok());
            let job_id = item["job_id"]["S"].as_str().expect("a string");
            (job_id.to_owned(), epoch.expect("a number"))
        };
        items.iter().map(entry).collect()
    }

    async fn send(&self, route: HttpRoute, job: &TestJob, body: &str) -> Answer {
        let request = job_request(route, job.id.as_str(), job.worker_key.reveal());
        self.handle(with_body(request, body)).await
    }

    /// Advances the clock until the lease of the job's worker has expired.
    fn end_lease(&self) {
        self.clock.advance(LEASE_SECONDS + 1);
    }

    /// The item of the test's only job.
    fn item(&self) -> Value {
        let mut items = self.aws.items::<Jobs>();
        items.retain(|item| !item["status"].is_null());
        items.remove(0)
    }

    /// The log of the test's only job, in order.
    fn log(&self) -> Vec<Value> {
        let mut events = self.aws.items::<JobEvents>();
        let seq = |event: &Value| event["seq"]["N"].as_str().and_then(|seq| seq.parse().ok());
        events.sort_by_key(|event| seq(event).unwrap_or(0_u64));
        // Artifacts and the checkpoint are beside the log.
        events.retain(|event| event["percent"].is_null());
        let messages = events
            .iter()
            .filter_map(|event| event["message"]["S"].as_str());
        messages
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    /// The epochs whose watchdogs are on the queue.
    fn watchdogs(&self) -> Vec<u64> {
        let messages = self.aws.queued::<DeliveryQueue>();
        let epochs = messages
            .iter()
            .filter_map(|message| message["content"]["watchdog"]["epoch"].as_u64());
        epochs.collect()
    }

    /// The delivery tasks on the queue, without watchdogs.
    fn deliveries(&self) -> Vec<Value> {
        let mut messages = self.aws.queued::<DeliveryQueue>();
        messages.retain(|message| message["content"]["watchdog"].is_null());
        messages
    }
}

fn progress(stage: &str, percent: u8) -> Value {
    json!({"type": "progress_update", "stage": stage, "progress": percent, "message": "Working..."})
}

fn stage_complete(stage: &str, results: impl Into<Value>) -> Value {
    json!({"type": "stage_complete", "stage": stage, "results": results.into()})
}

fn job_complete() -> Value {
    json!({"type": "job_complete"})
}

/// The types of the messages, in order.
fn types(messages: &[Value]) -> Vec<&str> {
    let types = messages.iter().map(|message| message["type"].as_str());
    types.map(Option::unwrap_or_default).collect()
}
