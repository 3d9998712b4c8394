use std::{collections::VecDeque, sync::Mutex};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::queues::{DeliveryQueue, DeliveryTask, JobMessage, JobQueue};

use super::Site;
use crate::resources::QueueNames;

impl Site {
    fn queue(&self, name: &str) -> QueueNames {
        let mut queues = self.operator.resources().queues().iter();
        queues
            .find(|queue| queue.declared == name)
            .expect("a queue")
            .clone()
    }

    /// Sends a message to the dead-letter queue.
    async fn bury(&self, queue: &QueueNames, message: &Value) {
        let url = self.operator.queue_url(&queue.dead_letters).await;
        let send = self
            .operator
            .sqs
            .send_message()
            .message_body(message.to_string());
        let answer = send.queue_url(url.expect("the queue")).send().await;
        answer.expect("it can be sent");
    }
}

#[tokio::test]
async fn dead_letters_are_listed_with_their_jobs_and_stay() {
    let site = Site::new();
    let job = site.failed(1, |job| job).await;
    let queue = site.queue("deliveries");
    let task = DeliveryTask::watchdog(job.id.clone(), Some(3));
    site.bury(&queue, &json!(task)).await;
    let gone = DeliveryTask::upload_deadline("job_20260101_ab".parse().expect("an id"));
    site.bury(&queue, &json!(gone)).await;
    site.bury(&queue, &json!("x".repeat(100))).await;
    for _ in 0..2 {
        let found = site.operator.dead_letters(&queue, 10).await;
        let found = found.expect("they can be read");
        assert!(!found.has_more);
        let mut requests: Vec<_> = found.letters.iter().map(|it| it.request.clone()).collect();
        requests.sort();
        assert!(requests[0].starts_with("\"xxx") && requests[0].ends_with('…'));
        assert_eq!(requests[1..], ["check the upload", "watchdog of claim 3"]);
        let mut letters = found.letters.iter();
        let letter = letters.find(|it| it.job_id.as_ref() == Some(&job.id));
        let letter = letter.expect("the job's");
        let error = letter.job.as_ref().and_then(|job| job.error.as_ref());
        assert_eq!(error.map(|it| it.code.as_str()), Some("job_timed_out"));
        let others = found.letters.iter().filter(|it| it.job.is_none());
        assert_eq!(others.count(), 2);
    }
    assert!(site.aws.queued::<DeliveryQueue>().is_empty());
}

#[tokio::test]
async fn emulator_without_moves_gets_each_message_back_once() {
    let site = Site::new();
    let queue = site.queue("jobs");
    for number in 0..23 {
        let id = format!("job_20260101_{number}").parse().expect("an id");
        site.bury(&queue, &json!(JobMessage::new(id))).await;
    }
    // The clock of the test is behind that of the queue.
    site.clock.advance(10_000_000_000);
    let moved = site.operator.redrive(&queue, true).await.expect("a move");
    assert_eq!((moved.messages, moved.by_sqs), (23, false));
    let mut ids: Vec<_> = site.aws.queued::<JobQueue>();
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 23);
    let left = site.operator.dead_letters(&queue, 10).await;
    assert_eq!(left.expect("readable").letters, []);
}

#[tokio::test]
async fn aws_without_moves_is_an_error() {
    let site = Site::new();
    let queue = site.queue("jobs");
    let error = site.operator.redrive(&queue, false).await;
    let error = error.expect_err("the local stack moves no messages");
    assert!(
        error
            .to_string()
            .starts_with("moving the messages of jobs-dead-letters back failed"),
        "{error}"
    );
}

#[tokio::test]
async fn message_is_deleted_only_after_it_was_sent() {
    let site = Site::new();
    let queue = site.queue("jobs");
    let id = "job_20260101_ab".parse().expect("an id");
    site.bury(&queue, &json!(JobMessage::new(id))).await;
    site.clock.advance(10_000_000_000);
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage" && call.resource == "jobs"
    });
    let failed = site.operator.redrive(&queue, true).await;
    failed.expect_err("it could not be sent");
    assert!(site.aws.queued::<JobQueue>().is_empty());
    let deletes = site
        .aws
        .calls()
        .count(|call| call.operation == "sqs:DeleteMessage");
    assert_eq!(deletes, 0);
    // It was sent, and not deleted: it is there twice, and not lost.
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:DeleteMessage"
    });
    let failed = site.operator.redrive(&queue, true).await;
    failed.expect_err("it could not be deleted");
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
}

/// A fake of SQS, which the local stack lacks the moves of: the operations in their order, with their answers.
#[derive(Debug)]
struct Sqs(Mutex<VecDeque<(&'static str, Value)>>);

impl HttpConnector for Sqs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (operation, answer) = self
            .0
            .lock()
            .expect("answers")
            .pop_front()
            .expect("an answer");
        assert_eq!(target, format!("AmazonSQS.{operation}"));
        let body = SdkBody::from(answer.to_string());
        let status = 200.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body)))
    }
}

/// An operator on SQS with these states of a move, one for each request.
fn moving(states: &[Value]) -> Site {
    let mut site = Site::new();
    let url = json!({"QueueUrl": "http://127.0.0.1/0/jobs-dead-letters"});
    let arn = json!({"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:0:jobs-dead-letters"}});
    let mut answers = VecDeque::from([
        ("GetQueueUrl", url),
        ("GetQueueAttributes", arn),
        ("StartMessageMoveTask", json!({"TaskHandle": "t"})),
    ]);
    for state in states {
        answers.push_back(("ListMessageMoveTasks", json!({"Results": [state]})));
    }
    let sqs = SharedHttpConnector::new(Sqs(Mutex::new(answers)));
    let config = site.operator.config.clone().into_builder();
    let config = config.http_client(http_client_fn(move |_, _| sqs.clone()));
    site.operator.sqs = aws_sdk_sqs::Client::new(&config.build());
    site
}

fn state(status: &str, moved: u64, reason: &str) -> Value {
    json!({
        "Status": status, "ApproximateNumberOfMessagesMoved": moved, "FailureReason": reason,
    })
}

#[tokio::test(start_paused = true)]
async fn move_of_sqs_is_followed_to_its_end() {
    let running = state("RUNNING", 1, "");
    let site = moving(&[running.clone(), running.clone(), state("COMPLETED", 3, "")]);
    let moved = site.operator.redrive(&site.queue("jobs"), false).await;
    let moved = moved.expect("a move");
    assert_eq!((moved.messages, moved.by_sqs), (3, true));

    let site = moving(&[running, state("FAILED", 2, "AccessDenied on the queue")]);
    let failed = site.operator.redrive(&site.queue("jobs"), false).await;
    let error = failed.expect_err("it has failed").to_string();
    assert!(
        error.contains("stopped after 2 messages: FAILED AccessDenied on the queue"),
        "{error}"
    );
}
