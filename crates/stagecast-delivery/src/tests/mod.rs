//! The handler on AWS in this process: tasks in; posts, items and further tasks out.

mod attempts;
mod failures;
mod fan_out;
mod limits;
mod log;
mod owner_feed;
mod owners;
mod progress;
mod queues;
mod token_expiry;
mod uploads;
mod watchdog;
mod webhooks;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::Value;
use stagecast_contract::{
    functions::DeliveryFunction,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    tables::{JobEvents, Jobs},
};
use stagecast_core::{clock::Clock, delivery::Publisher};
use stagecast_testing::product::PipelineFunction;
use stagecast_testing::{
    TestAws,
    fixtures::{self, START, TestJob},
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
        Self::on(TestAws::new())
    }

    fn on(aws: TestAws) -> Self {
        let clock = fixtures::clock();
        let environment = fixtures::environment(&aws);
        let config = aws.config::<DeliveryFunction>();
        let handler =
            Handler::new(&config, &environment, clock.clone()).expect("the settings are valid");
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

    /// The job of the test and its run, which has finished this number of stages.
    async fn job_with_stages(&self, stages: u64) -> (TestJob, Publisher<PipelineFunction>) {
        let job = self.job().await;
        let mut run = fixtures::claimed(&self.aws, &self.clock, &job).await;
        for number in 1..=stages {
            let stage = format!("stage_{number}");
            let finished = run.finish_stage(&stage, None, fixtures::json("1")).await;
            finished.expect("the stage can be published");
        }
        (job, run)
    }

    async fn subscribe(&self, job: &TestJob, connection_id: &str) {
        fixtures::subscribed(&self.aws, &self.clock, job, connection_id).await;
    }

    /// Executes a task that is received for the first time. Returns false if it stays on the queue.
    async fn deliver(&self, task: &DeliveryTask) -> bool {
        self.deliver_again(task, 1).await
    }

    /// [`Self::deliver`] with this receive count.
    async fn deliver_again(&self, task: &DeliveryTask, receives: u32) -> bool {
        let body = serde_json::to_string(task).expect("a task is JSON");
        let mut message = message("task", &body);
        let count = "ApproximateReceiveCount".to_owned();
        message.attributes.insert(count, receives.to_string());
        self.receive(vec![message]).await.is_empty()
    }

    /// Executes a batch. Returns the ids of the messages that stay on the queue.
    async fn receive(&self, messages: Vec<SqsMessage>) -> Vec<String> {
        let mut event = SqsEvent::default();
        event.records = messages;
        let response = Box::pin(self.handler.handle(event)).await;
        let failures = response.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    /// The tasks that are on the queue.
    fn queued(&self) -> Vec<DeliveryTask> {
        let messages = self.aws.queued::<DeliveryQueue>().into_iter();
        messages
            .map(|message| serde_json::from_value(message).expect("a task"))
            .collect()
    }

    /// The `seq` of each message that the connection has received since the last call.
    fn received(&self, connection_id: &str) -> Vec<u64> {
        let messages = self.aws.take_messages(connection_id);
        let seqs = messages.iter().map(|message| message["seq"].as_u64());
        seqs.map(Option::unwrap_or_default).collect()
    }

    /// The item of the test's only job.
    fn item(&self) -> Value {
        self.aws.items::<Jobs>().remove(0)
    }

    /// The log of the test's only job, in order.
    fn log(&self) -> Vec<Value> {
        let mut events = self.aws.items::<JobEvents>();
        let seq = |event: &Value| event["seq"]["N"].as_str().and_then(|seq| seq.parse().ok());
        events.sort_by_key(|event| seq(event).unwrap_or(0_u64));
        // Artifacts are beside the log.
        let messages = events
            .iter()
            .filter_map(|event| event["message"]["S"].as_str());
        messages
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }
}

/// A message that was sent at [`START`] and is received for the first time.
fn message(id: &str, body: &str) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some(id.to_owned());
    message.body = Some(body.to_owned());
    let sent = (START.epoch_seconds() * 1000).to_string();
    let attributes = &mut message.attributes;
    attributes.insert("SentTimestamp".to_owned(), sent);
    attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
    message
}

/// The log after `after_seq` for all subscribers.
fn log_task(job: &TestJob, after_seq: u64) -> DeliveryTask {
    DeliveryTask::log(job.id.clone(), Recipients::AllSubscribers, after_seq)
}

fn connections(ids: &[&str]) -> Recipients {
    Recipients::Connections(ids.iter().map(|id| (*id).to_owned()).collect())
}
