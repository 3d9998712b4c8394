//! Watchdogs: checks of jobs that may have no run or worker any more.

use std::time::Duration;

use local_aws::{Call, Fault};
use serde_json::json as message_json;
use stagecast_contract::{
    limits::{ABANDONED_AFTER_SECONDS, JOB_TTL_SECONDS, LEASE_SECONDS, WATCHDOG_MARGIN_SECONDS},
    messages::{Artifact, WorkAmount},
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, JobQueue},
    tables::JobEvents,
};
use stagecast_core::{models::TerminalState, stores::ProgressPoint};
use stagecast_testing::fixtures::{TestJob, cancel, claimed, external_job, json};
use tokio::{join, time::sleep};

use super::Site;

/// Seconds after a claim until the watchdog considers its lease expired.
const LEASE_IS_OVER: i64 = LEASE_SECONDS + WATCHDOG_MARGIN_SECONDS + 1;

/// A check of a job of the pipeline.
fn check(job: &TestJob) -> DeliveryTask {
    DeliveryTask::watchdog(job.id.clone(), None)
}

/// A check of the claim of an external worker.
fn check_of_claim(job: &TestJob, epoch: u64) -> DeliveryTask {
    DeliveryTask::watchdog(job.id.clone(), Some(epoch))
}

/// The types of the messages in the log of the test's only job.
fn logged(site: &Site) -> Vec<String> {
    let log = site.log();
    let types = log.iter().map(|message| message["type"].as_str());
    types.map(|it| it.unwrap_or_default().to_owned()).collect()
}

/// The range of the log of each delivery task, without watchdogs.
fn ranges(site: &Site) -> Vec<(DeliveryKind, u64, Option<u64>)> {
    let mut tasks = site.queued();
    tasks.retain(|task| !matches!(task.content, DeliveryKind::Watchdog { .. }));
    let ranges = tasks.iter();
    ranges
        .map(|task| (task.content, task.after_seq, task.through_seq))
        .collect()
}

fn is_commit(call: &Call) -> bool {
    call.operation == "dynamodb:UpdateItem"
}

#[tokio::test]
async fn queued_job_gets_another_job_message_after_a_while() {
    let site = Site::new();
    let job = site.job().await;

    let early = site.deliver(&check(&job)).await;
    let job_messages = site.aws.queued::<JobQueue>().len();
    site.clock.advance(LEASE_IS_OVER);
    let late = site.deliver(&check(&job)).await;

    assert!(early && late);
    assert_eq!(job_messages, 0);
    let job_message = message_json!({"job_id": job.id.as_str(), "from_watchdog": true});
    assert_eq!(site.aws.queued::<JobQueue>(), [job_message]);
    assert_eq!(site.queued(), [check(&job), check(&job)], "it checks again");
}

#[tokio::test]
async fn running_job_is_left_alone_while_its_lease_lasts() {
    let site = Site::new();
    let job = site.job().await;
    let _run = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(LEASE_SECONDS + WATCHDOG_MARGIN_SECONDS);
    let before = site.item();

    let done = site.deliver(&check(&job)).await;

    assert!(done);
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert_eq!(site.queued(), [check(&job)]);
    assert_eq!(site.item(), before);
}

#[tokio::test]
async fn job_of_a_dead_run_gets_another_job_message() {
    let site = Site::new();
    let job = site.job().await;
    let _run = claimed(&site.aws, &site.clock, &job).await;

    site.clock.advance(LEASE_IS_OVER);
    site.deliver(&check(&job)).await;
    let job_messages = site.aws.queued::<JobQueue>().len();
    site.clock.advance(20);
    site.deliver(&check(&job)).await;

    assert_eq!(
        job_messages, 0,
        "its own job message may become visible again"
    );
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
    assert_eq!(site.queued(), [check(&job), check(&job)]);
}

#[tokio::test]
async fn external_job_fails_when_its_worker_is_lost() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let mut worker = claimed(&site.aws, &site.clock, &job).await;
    worker.finish_stage("a", None, json("1")).await.unwrap();
    let point = ProgressPoint {
        stage: "b".to_owned(),
        progress: 40,
        overall_progress: 70,
        message: String::new(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    };
    worker.report(&point).await.unwrap();
    site.clock
        .advance(LEASE_SECONDS + ABANDONED_AFTER_SECONDS - 1);
    site.deliver(&check_of_claim(&job, 1)).await;
    let before = logged(&site);
    site.clock.advance(1);

    let done = site.deliver(&check_of_claim(&job, 1)).await;

    assert!(done);
    assert_eq!(before, ["stage_complete"]);
    assert_eq!(logged(&site), ["stage_complete", "job_failed"]);
    assert_eq!(site.log()[1]["error"]["code"], "worker_lost");
    assert_eq!(site.log()[1]["stage"], "b");
    assert_eq!(site.item()["status"]["S"], "failed");
    let published = (DeliveryKind::Published, 1, Some(2));
    assert_eq!(ranges(&site), [published]);
    worker.renew().await.unwrap_err();
}

#[tokio::test]
async fn logged_event_of_a_lost_worker_is_committed_with_its_artifacts() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let mut worker = claimed(&site.aws, &site.clock, &job).await;
    let artifacts = [Artifact {
        name: "report.csv".to_owned(),
        content_type: "text/csv".to_owned(),
        size: 3,
        sha256: "0a".repeat(32),
    }];
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:TransactWriteItems"
    });
    let failed = worker
        .finish_stage_listing("a", None, json("1"), &artifacts)
        .await;
    failed.unwrap_err();
    assert!(site.item()["artifacts_revision"].is_null());
    site.clock.advance(LEASE_SECONDS + ABANDONED_AFTER_SECONDS);

    site.deliver(&check_of_claim(&job, 1)).await;

    assert_eq!(logged(&site), ["stage_complete", "job_failed"]);
    assert_eq!(site.item()["artifacts_revision"]["N"], "1");
    let events = site.aws.items::<JobEvents>();
    let list = events.iter().find(|item| !item["artifacts"].is_null());
    let listed = &list.unwrap()["artifacts"]["L"];
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["M"]["name"]["S"], "report.csv");
}

#[tokio::test]
async fn external_job_is_still_watched_after_its_lease_has_ended() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let _worker = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(LEASE_IS_OVER);

    site.deliver(&check_of_claim(&job, 1)).await;

    assert_eq!(site.item()["status"]["S"], "running");
    assert_eq!(site.queued(), [check_of_claim(&job, 1)]);
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn cancelled_job_ends_once_its_lease_has_ended() {
    let site = Site::new();
    let job = site.job().await;
    let _run = claimed(&site.aws, &site.clock, &job).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();

    site.deliver(&check(&job)).await;
    let early = logged(&site);
    site.clock.advance(LEASE_IS_OVER);
    site.deliver(&check(&job)).await;

    assert!(early.is_empty());
    assert_eq!(logged(&site), ["job_cancelled"]);
    assert_eq!(site.item()["status"]["S"], "cancelled");
    assert_eq!(ranges(&site), [(DeliveryKind::Published, 0, Some(1))]);
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn interrupted_cancellation_is_finished() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });
    cancel(&site.aws, &site.clock, &job).await.unwrap_err();

    let done = site.deliver(&check_of_claim(&job, 0)).await;

    assert!(done);
    assert_eq!(site.item()["status"]["S"], "cancelled");
    assert_eq!(ranges(&site), [(DeliveryKind::Published, 0, Some(1))]);
}

#[tokio::test]
async fn stage_that_a_dead_run_logged_is_committed_and_sent() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    site.aws.fail(0..1, Fault::Outage, is_commit);
    run.finish_stage("a", None, json("1")).await.unwrap_err();
    site.clock.advance(LEASE_IS_OVER);

    site.deliver(&check(&job)).await;

    assert_eq!(site.item()["seq"]["N"], "1");
    assert_eq!(site.item()["checkpoints"]["M"]["a"]["N"], "1");
    assert_eq!(ranges(&site), [(DeliveryKind::Published, 0, Some(1))]);
}

#[tokio::test]
async fn cancelled_job_ends_after_the_uncommitted_stage_in_its_log() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let mut worker = claimed(&site.aws, &site.clock, &job).await;
    site.aws.fail(0..1, Fault::Outage, is_commit);
    worker.finish_stage("a", None, json("1")).await.unwrap_err();
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.clock.advance(LEASE_IS_OVER);

    site.deliver(&check_of_claim(&job, 1)).await;

    assert_eq!(logged(&site), ["stage_complete", "job_cancelled"]);
    assert_eq!(site.item()["status"]["S"], "cancelled");
    // In one task: the subscribers receive both in order.
    assert_eq!(ranges(&site), [(DeliveryKind::Published, 0, Some(2))]);
}

#[tokio::test]
async fn end_that_a_dead_run_logged_is_committed() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    site.aws.fail(0..1, Fault::Outage, is_commit);
    let completed = TerminalState::Completed;
    run.end(&completed, None, None).await.unwrap_err();
    // It takes precedence over a requested cancellation.
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.clock.advance(LEASE_IS_OVER);

    site.deliver(&check(&job)).await;

    assert_eq!(site.item()["status"]["S"], "completed");
    assert_eq!(logged(&site), ["job_complete"]);
}

#[tokio::test]
async fn watchdog_of_an_earlier_claim_retires() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let _first = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(LEASE_IS_OVER);
    let _second = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(LEASE_SECONDS + ABANDONED_AFTER_SECONDS);

    let done = site.deliver(&check_of_claim(&job, 1)).await;

    assert!(done);
    assert_eq!(site.item()["status"]["S"], "running");
    assert!(site.queued().is_empty());
}

#[tokio::test]
async fn watchdog_retires_with_its_job() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let completed = TerminalState::Completed;
    run.end(&completed, None, None).await.unwrap();

    let ended = site.deliver(&check(&job)).await;
    site.clock.advance(JOB_TTL_SECONDS);
    let expired = site.deliver(&check(&job)).await;

    assert!(ended && expired);
    assert!(site.queued().is_empty());
}

#[tokio::test]
async fn external_job_that_was_never_claimed_is_not_watched() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    site.clock.advance(ABANDONED_AFTER_SECONDS);

    site.deliver(&check_of_claim(&job, 0)).await;

    assert_eq!(site.item()["status"]["S"], "queued");
    assert!(site.queued().is_empty());
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn check_is_repeated_when_any_table_call_fails() {
    let site = Site::new();
    let job = site.job().await;
    let _run = claimed(&site.aws, &site.clock, &job).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.clock.advance(LEASE_IS_OVER);

    let mut checks = 0;
    while site.item()["status"]["S"] != "cancelled" {
        // In each check, one more call succeeds.
        site.aws.fail(checks..checks + 1, Fault::Outage, |call| {
            call.caller == "delivery" && call.operation.starts_with("dynamodb:")
        });
        let done = site.deliver(&check(&job)).await;
        assert!(done, "an outage makes no dead letter of a watchdog");
        checks += 1;
        assert!(checks < 20, "it never ends");
    }

    assert!(checks > 2, "a check makes more calls");
    assert_eq!(logged(&site), ["job_cancelled"]);
    let watchdogs = site.queued().len() - ranges(&site).len();
    assert!(watchdogs >= checks - 1, "{watchdogs} of {checks}");
}

#[tokio::test]
async fn check_stays_on_the_queue_when_the_next_cannot_be_scheduled() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let failed = site.deliver(&check(&job)).await;
    let done = site.deliver(&check(&job)).await;

    assert!(!failed);
    assert!(done);
}

#[tokio::test]
async fn repeated_check_redelivers_the_end_that_was_not_sent() {
    let site = Site::new();
    let job = site.job().await;
    let _run = claimed(&site.aws, &site.clock, &job).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.clock.advance(LEASE_IS_OVER);
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });
    let failed = site.deliver(&check(&job)).await;

    for _ in 0..2 {
        assert!(site.deliver_again(&check(&job), 2).await);
    }

    assert!(!failed);
    assert_eq!(logged(&site), ["job_cancelled"]);
    let once = [(DeliveryKind::Log, 0, Some(1))];
    assert_eq!(ranges(&site), once, "the second repeat adds nothing");
}

#[tokio::test(start_paused = true)]
async fn worker_that_returns_during_the_check_keeps_its_job() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let worker = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(LEASE_SECONDS + ABANDONED_AFTER_SECONDS);
    // Before the first write of the watchdog.
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            let is_write = call.operation == "dynamodb:PutItem" || is_commit(call);
            call.caller == "delivery" && is_write
        });
    let coming_back = async {
        sleep(Duration::from_millis(500)).await;
        worker.renew().await.unwrap();
    };

    let task = check_of_claim(&job, 1);
    let (done, ()) = join!(site.deliver(&task), coming_back);

    assert!(done);
    assert_eq!(site.item()["status"]["S"], "running");
    assert!(ranges(&site).is_empty());
    let watchdogs = site.aws.queued::<DeliveryQueue>();
    let epoch = message_json!({"watchdog": {"epoch": 1}});
    assert!(watchdogs.iter().any(|task| task["content"] == epoch));
}
