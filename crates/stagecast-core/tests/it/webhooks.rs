//! Webhooks of durable messages: queued before the commit, so that no crash loses one.

use std::sync::{Arc, Mutex};

use local_aws::{Fault, Times};
use serde_json::Value;
use stagecast_contract::{
    functions::DeliveryFunction,
    limits::LEASE_SECONDS,
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs},
    webhooks::{JobWebhook, WebhookEvent},
};
use stagecast_core::{
    clock::Clock,
    delivery::{PublishError, Publisher},
    models::TerminalState,
    unattended::{Settled, Unattended},
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob, claimed, json, stores},
    product::PipelineFunction,
};

use crate::external::lost;

/// A job of the pipeline whose webhook has these events.
struct Site {
    aws: TestAws,
    clock: Clock,
    job: TestJob,
}

impl Site {
    async fn new(events: &[WebhookEvent]) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let webhook = JobWebhook {
            url: None,
            events: events.to_vec(),
        };
        let with_webhook = |mut job: stagecast_core::models::Job| {
            job.webhook = Some(webhook);
            job
        };
        let job = fixtures::job_as(&aws, &clock, 1, with_webhook).await;
        Self { aws, clock, job }
    }

    async fn claim(&self) -> Publisher<PipelineFunction> {
        claimed(&self.aws, &self.clock, &self.job).await
    }

    /// The `seq` of each webhook on the queue, oldest first.
    fn webhooks(&self) -> Vec<u64> {
        let tasks = self.aws.queued::<DeliveryQueue>();
        let webhooks = tasks
            .iter()
            .filter(|task| !task["content"]["webhook"].is_null());
        webhooks
            .filter_map(|task| task["through_seq"].as_u64())
            .collect()
    }

    /// The `seq` of the last committed message.
    fn committed(&self) -> String {
        let job = &self.aws.items::<Jobs>()[0];
        job["seq"]["N"].as_str().unwrap_or_default().to_owned()
    }

    fn unattended(&self) -> Unattended<DeliveryFunction> {
        let stores = stores::<DeliveryFunction>(&self.aws, &self.clock);
        Unattended::new(
            stores.jobs.clone(),
            stores.events.clone(),
            stores.waiting.clone(),
            stores.queues.clone(),
            self.clock.clone(),
        )
    }

    /// The operations of all calls from now on.
    fn record(&self) -> Arc<Mutex<Vec<String>>> {
        let operations = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&operations);
        self.aws.faults().on_call(move |call| {
            record
                .lock()
                .expect("it succeeds")
                .push(call.operation.clone());
            None
        });
        operations
    }
}

const ALL: [WebhookEvent; 4] = [
    WebhookEvent::StageComplete,
    WebhookEvent::JobComplete,
    WebhookEvent::JobFailed,
    WebhookEvent::JobCancelled,
];

#[tokio::test]
async fn webhook_is_queued_between_the_log_and_the_commit() {
    let site = Site::new(&ALL).await;
    let mut run = site.claim().await;
    let operations = site.record();
    run.finish_stage("a", None, json("1")).await.unwrap();
    let expected = ["dynamodb:PutItem", "sqs:SendMessage", "dynamodb:UpdateItem"];
    assert_eq!(operations.lock().unwrap()[..3], expected);
    run.end(&TerminalState::Completed, None, None)
        .await
        .unwrap();
    assert_eq!(site.webhooks(), [1, 2]);
}

#[tokio::test]
async fn only_events_of_the_webhook_are_queued() {
    let endings = [
        (TerminalState::Completed, WebhookEvent::JobComplete),
        (TerminalState::Failed(lost()), WebhookEvent::JobFailed),
        (TerminalState::Cancelled, WebhookEvent::JobCancelled),
    ];
    for (end, event) in endings {
        for chosen in ALL {
            let site = Site::new(&[chosen]).await;
            let mut run = site.claim().await;
            run.finish_stage("a", None, json("1")).await.unwrap();
            run.end(&end, None, None).await.unwrap();
            let of_stage = (chosen == WebhookEvent::StageComplete).then_some(1);
            let of_end = (chosen == event).then_some(2);
            let expected: Vec<u64> = of_stage.into_iter().chain(of_end).collect();
            assert_eq!(site.webhooks(), expected, "{end:?}, {chosen:?}");
        }
    }
}

#[tokio::test]
async fn message_is_not_committed_while_its_webhook_cannot_be_queued() {
    let site = Site::new(&ALL).await;
    let mut run = site.claim().await;
    let outage = Times::new(1);
    site.aws.faults().on_call(move |call| {
        let is_send = call.operation == "sqs:SendMessage";
        (is_send && outage.take()).then_some(Fault::Outage)
    });
    let failed = run.finish_stage("a", None, json("1")).await;
    assert!(matches!(failed, Err(PublishError::Store(_))), "{failed:?}");
    assert_eq!((site.committed().as_str(), site.webhooks()), ("0", vec![]));

    run.finish_stage("a", None, json("1")).await.unwrap();
    assert_eq!((site.committed().as_str(), site.webhooks()), ("1", vec![1]));
    assert_eq!(site.aws.items::<JobEvents>().len(), 1);
}

#[tokio::test]
async fn run_that_dies_before_the_commit_leaves_its_webhook_to_the_next_run() {
    let site = Site::new(&ALL).await;
    let mut dead = site.claim().await;
    site.aws.faults().on_call(|call| {
        let is_commit = call.operation == "dynamodb:UpdateItem";
        is_commit.then_some(Fault::Outage)
    });
    let died = dead.finish_stage("a", None, json("1")).await;
    died.expect_err("the commit fails");
    site.aws.faults().clear();
    assert_eq!((site.committed().as_str(), site.webhooks()), ("0", vec![1]));

    site.clock.advance(LEASE_SECONDS + 1);
    let mut next = site.claim().await;
    assert!(next.recover().await.unwrap());
    // The delivery function may have given up on the first one.
    assert_eq!(
        (site.committed().as_str(), site.webhooks()),
        ("1", vec![1, 1])
    );
}

#[tokio::test]
async fn messages_that_the_watchdog_commits_have_webhooks() {
    let site = Site::new(&ALL).await;
    let mut dead = site.claim().await;
    site.aws.faults().on_call(|call| {
        let is_send = call.operation == "sqs:SendMessage";
        is_send.then_some(Fault::Outage)
    });
    let died = dead.finish_stage("a", None, json("1")).await;
    died.expect_err("the webhook cannot be queued");
    site.aws.faults().clear();

    site.clock.advance(LEASE_SECONDS + 10);
    let stores = stores::<DeliveryFunction>(&site.aws, &site.clock);
    let job = stores.jobs.load(&site.job.id).await.unwrap();
    let cancelled = TerminalState::Cancelled;
    let settled = site
        .unattended()
        .settle(&job.expect("a job"), Some(&cancelled))
        .await
        .unwrap();
    assert!(matches!(settled, Settled::Ended(_)), "{settled:?}");
    let committed = site.committed().parse::<u64>().expect("a number");
    assert_eq!(site.webhooks(), (1..=committed).collect::<Vec<_>>());
}

#[tokio::test]
async fn job_without_a_webhook_queues_none() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = fixtures::job(&aws, &clock, 1).await;
    let mut run = claimed(&aws, &clock, &job).await;
    run.end(&TerminalState::Completed, None, None)
        .await
        .unwrap();
    let none: Vec<Value> = Vec::new();
    assert_eq!(aws.queued::<DeliveryQueue>(), none);
}
