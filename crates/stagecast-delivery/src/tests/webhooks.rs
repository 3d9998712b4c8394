//! Webhooks: passed on once their message is committed.

use serde_json::json;
use stagecast_contract::{
    queues::{DeliveryKind, DeliveryTask, WebhookQueue},
    webhooks::{JobWebhook, WebhookEvent},
};
use stagecast_core::{delivery::Publisher, models::TerminalState};
use stagecast_testing::{
    Fault,
    fixtures::{self, TestJob, claimed},
    product::PipelineFunction,
};

use super::Site;

/// A job with a webhook, and its run, which has finished a stage. Nothing is on the queue.
async fn job_with_webhook(site: &Site) -> (TestJob, Publisher<PipelineFunction>) {
    let job = fixtures::job_as(&site.aws, &site.clock, 1, |mut job| {
        let events = WebhookEvent::TERMINAL.to_vec();
        job.webhook = Some(JobWebhook { url: None, events });
        job
    })
    .await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let finished = run.finish_stage("a", None, fixtures::json("1")).await;
    finished.expect("the stage can be published");
    (job, run)
}

fn webhooks(site: &Site) -> Vec<serde_json::Value> {
    site.aws.queued::<WebhookQueue>()
}

#[tokio::test]
async fn webhook_of_a_committed_message_is_passed_on() {
    let site = Site::new();
    let (job, mut run) = job_with_webhook(&site).await;
    run.end(&TerminalState::Completed, None, None)
        .await
        .unwrap();
    let task = DeliveryTask::webhook(job.id.clone(), 2);
    assert_eq!(site.queued(), std::slice::from_ref(&task));
    assert!(site.deliver(&task).await);
    assert_eq!(webhooks(&site), [json!({ "job_id": job.id, "seq": 2 })]);
}

#[tokio::test]
async fn uncommitted_message_is_checked_again_until_no_process_can_commit_it() {
    let site = Site::new();
    let (job, _) = job_with_webhook(&site).await;
    let mut task = DeliveryTask::webhook(job.id, 2);
    let mut checks = 0;
    loop {
        let before = site.queued().len();
        assert!(site.deliver(&task).await);
        let queued = site.queued();
        if queued.len() == before {
            break;
        }
        checks += 1;
        task = queued.last().expect("a task").clone();
        assert_eq!(task.content, DeliveryKind::Webhook { checks });
        assert_eq!(task.through_seq, Some(2));
    }
    assert_eq!(checks, 6);
    assert!(webhooks(&site).is_empty());
}

#[tokio::test]
async fn message_beyond_the_end_of_a_job_has_no_webhook() {
    let site = Site::new();
    let (job, mut run) = job_with_webhook(&site).await;
    run.end(&TerminalState::Cancelled, None, None)
        .await
        .unwrap();
    let before = site.queued();
    assert!(site.deliver(&DeliveryTask::webhook(job.id, 3)).await);
    assert_eq!(site.queued(), before);
    assert!(webhooks(&site).is_empty());
}

#[tokio::test]
async fn webhook_stays_on_the_queue_while_it_cannot_be_passed_on() {
    let site = Site::new();
    let (job, mut run) = job_with_webhook(&site).await;
    run.end(&TerminalState::Completed, None, None)
        .await
        .unwrap();
    let task = DeliveryTask::webhook(job.id, 2);
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });
    assert!(!site.deliver(&task).await);
    site.aws.faults().clear();
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:GetItem"
    });
    assert!(!site.deliver(&task).await);
    site.aws.faults().clear();
    // Connections have ten attempts; a webhook is passed on whenever that is possible again.
    assert!(site.deliver_again(&task, 400).await);
    assert_eq!(webhooks(&site).len(), 1);
}

#[tokio::test]
async fn job_without_a_webhook_passes_none_on() {
    let site = Site::new();
    let (job, _run) = site.job_with_stages(1).await;
    assert!(site.deliver(&DeliveryTask::webhook(job.id, 1)).await);
    assert!(webhooks(&site).is_empty());
}
