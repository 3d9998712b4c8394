//! The handler on AWS in this process, and receivers on this machine.

mod deliveries;
mod failures;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use granted_aws::Environment;
use stagecast_contract::{
    environment::Webhooks,
    functions::WebhooksFunction,
    queues::WebhookTask,
    webhooks::{JobWebhook, WebhookEndpoint, WebhookEvent, WebhookRules, WebhookSecret},
};
use stagecast_core::{clock::Clock, models::TerminalState};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob},
    webhooks::{Receiver, Reply},
};
use typed_contract::environment::Setting as _;

use crate::Handler;

/// The key of the tests, from the specification's examples.
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The function on AWS services in this process, which posts to a receiver on this machine.
struct Site {
    aws: TestAws,
    clock: Clock,
    handler: Handler,
    receiver: Receiver,
}

impl Site {
    async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let receiver = Receiver::replying(replies).await;
        let endpoint = WebhookEndpoint::of_local_stack(&receiver.url()).expect("a URL");
        let rules = WebhookRules {
            endpoint: Some(endpoint),
            allow_loopback: true,
            ..WebhookRules::default()
        };
        Self::with_rules(receiver, &rules)
    }

    fn with_rules(receiver: Receiver, rules: &WebhookRules) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        set_secret(&aws, KEY);
        let environment = Environment::<WebhooksFunction>::read(|name| {
            if name == Webhooks::SPEC.variable {
                Some(rules.to_setting())
            } else {
                aws.variable::<WebhooksFunction>(name)
            }
        });
        let environment = environment.expect("the template sets every variable");
        let config = aws.config::<WebhooksFunction>();
        let handler = Handler::new(&config, &environment, clock.clone());
        Self {
            handler: handler.expect("the function starts"),
            aws,
            clock,
            receiver,
        }
    }

    /// A job with a webhook that has completed: its `job_complete` is the message 2.
    async fn completed_job(&self) -> TestJob {
        let webhook = JobWebhook {
            url: None,
            events: WebhookEvent::TERMINAL.to_vec(),
        };
        self.completed_job_with(webhook).await
    }

    async fn completed_job_with(&self, webhook: JobWebhook) -> TestJob {
        let job = fixtures::job_as(&self.aws, &self.clock, 1, |mut job| {
            job.webhook = Some(webhook);
            job
        })
        .await;
        let mut run = fixtures::claimed(&self.aws, &self.clock, &job).await;
        let finished = run.finish_stage("a", None, fixtures::json("1.50")).await;
        finished.expect("the stage can be published");
        let ended = run.end(&TerminalState::Completed, None, None).await;
        ended.expect("the end can be published");
        job
    }

    /// Makes the attempt with this number. Returns true if the message stays on the queue.
    async fn attempt(&self, job: &TestJob, seq: u64, attempt: u32) -> bool {
        let kept = self.receive(vec![message(job, seq, attempt)]).await;
        !kept.is_empty()
    }

    /// Posts a batch. Returns the ids of the messages that stay on the queue.
    async fn receive(&self, messages: Vec<SqsMessage>) -> Vec<String> {
        let mut event = SqsEvent::default();
        event.records = messages;
        let response = self.handler.handle(event).await;
        let failures = response.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    /// The number of messages whose next attempt was scheduled.
    fn hidden(&self) -> u64 {
        let calls = self.aws.calls();
        calls.count(|call| call.operation == "sqs:ChangeMessageVisibility")
    }
}

fn set_secret(aws: &TestAws, value: &str) {
    let name = <WebhookSecret as typed_contract::secrets::Secret>::SPEC.name;
    aws.secrets().set(name.replace("{suffix}", ""), value);
}

/// A message of the queue. Its id is the `seq`.
fn message(job: &TestJob, seq: u64, receive_count: u32) -> SqsMessage {
    let task = WebhookTask {
        job_id: job.id.clone(),
        seq,
    };
    let mut message = SqsMessage::default();
    message.message_id = Some(seq.to_string());
    message.receipt_handle = Some("receipt".to_owned());
    message.body = Some(serde_json::to_string(&task).expect("JSON"));
    let count = "ApproximateReceiveCount".to_owned();
    message.attributes.insert(count, receive_count.to_string());
    message
}
