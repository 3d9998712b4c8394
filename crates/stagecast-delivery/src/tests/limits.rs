//! Watchdogs of jobs with time limits.

use local_aws::Fault;
use stagecast_contract::{
    functions::WorkerFunction,
    queues::{DeliveryKind, DeliveryTask, JobQueue},
    time_limits::JobLimits,
};
use stagecast_core::{
    delivery::PublishError,
    stores::{Claim, ProgressPoint},
};
use stagecast_testing::fixtures::{
    TestJob, cancel, claimed, external_job_as, job_as, json, stores,
};

use super::Site;

const QUEUE_SECONDS: i64 = 100;
const RUN_SECONDS: i64 = 60;

const LIMITS: JobLimits = JobLimits {
    queue_seconds: Some(QUEUE_SECONDS.unsigned_abs()),
    run_seconds: Some(RUN_SECONDS.unsigned_abs()),
};

async fn limited(site: &Site) -> TestJob {
    job_as(&site.aws, &site.clock, 1, |job| job.limited(LIMITS)).await
}

async fn limited_external(site: &Site) -> TestJob {
    external_job_as(&site.aws, &site.clock, 1, |job| job.limited(LIMITS)).await
}

async fn check(site: &Site, job: &TestJob, epoch: Option<u64>) {
    let task = DeliveryTask::watchdog(job.id.clone(), epoch);
    assert!(site.deliver(&task).await);
}

/// The `type` and the code of each message in the log.
fn logged(site: &Site) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let log = site.log();
    let messages = log.iter();
    messages
        .map(|message| (text(&message["type"]), text(&message["error"]["code"])))
        .collect()
}

fn failed(code: &str) -> (String, String) {
    ("job_failed".to_owned(), code.to_owned())
}

/// The ranges of the log that are sent to the subscribers.
fn published(site: &Site) -> Vec<(u64, Option<u64>)> {
    let mut tasks = site.queued();
    tasks.retain(|task| task.content == DeliveryKind::Published);
    let ranges = tasks.iter();
    ranges
        .map(|task| (task.after_seq, task.through_seq))
        .collect()
}

#[tokio::test]
async fn job_that_no_run_claims_fails_once_and_notifies_its_subscribers() {
    let site = Site::new();
    let job = limited(&site).await;
    site.subscribe(&job, "c1").await;
    site.clock.advance(QUEUE_SECONDS);
    check(&site, &job, None).await;
    assert!(site.log().is_empty(), "the limit is not over yet");
    site.clock.advance(1);

    check(&site, &job, None).await;
    check(&site, &job, None).await;
    check(&site, &job, Some(0)).await;

    assert_eq!(logged(&site), [failed("queue_timeout")]);
    assert_eq!(site.item()["status"]["S"], "failed");
    assert_eq!(published(&site), [(0, Some(1))]);
    let mut tasks = site.queued();
    tasks.retain(|task| task.content == DeliveryKind::Published);
    assert!(site.deliver(&tasks[0]).await);
    assert_eq!(site.received("c1"), [1]);
}

#[tokio::test]
async fn start_of_a_job_is_due_at_its_time_and_its_message_is_sent_again() {
    let site = Site::new();
    let run_at = site.clock.now().plus_seconds(2000);
    let job = job_as(&site.aws, &site.clock, 1, |job| {
        job.starting_at(Some(run_at))
    })
    .await;
    for seconds in [900, 900, 199] {
        site.clock.advance(seconds);
        check(&site, &job, None).await;
    }
    assert!(site.aws.queued::<JobQueue>().is_empty());
    site.clock.advance(1);

    check(&site, &job, None).await;
    assert_eq!(
        site.aws.queued::<JobQueue>(),
        [serde_json::json!({"job_id": job.id.as_str()})]
    );
    claimed(&site.aws, &site.clock, &job).await;
    check(&site, &job, None).await;

    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
}

#[tokio::test]
async fn external_job_that_no_worker_claims_fails() {
    let site = Site::new();
    let job = limited_external(&site).await;

    check(&site, &job, Some(0)).await;
    let again = DeliveryTask::watchdog(job.id.clone(), Some(0));
    assert_eq!(site.queued(), [again]);
    site.clock.advance(QUEUE_SECONDS + 1);
    check(&site, &job, Some(0)).await;

    assert_eq!(logged(&site), [failed("queue_timeout")]);
}

#[tokio::test]
async fn job_that_was_cancelled_before_its_limit_is_not_failed() {
    let site = Site::new();
    let job = limited(&site).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.clock.advance(QUEUE_SECONDS + 1);

    check(&site, &job, None).await;

    assert_eq!(logged(&site), [("job_cancelled".to_owned(), String::new())]);
}

#[tokio::test]
async fn claim_in_the_last_second_wins_over_the_queue_limit() {
    let site = Site::new();
    let job = limited(&site).await;
    site.clock.advance(QUEUE_SECONDS);
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(1);

    check(&site, &job, None).await;

    assert!(site.log().is_empty());
    run.finish_stage("a", None, json("1")).await.unwrap();
}

#[tokio::test]
async fn claim_between_the_check_and_its_commit_ends_the_job_with_the_logged_failure() {
    let site = Site::new();
    let job = limited(&site).await;
    site.clock.advance(QUEUE_SECONDS + 1);
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    check(&site, &job, None).await;
    assert_eq!(
        site.item()["status"]["S"],
        "queued",
        "logged, but not committed"
    );

    let mut run = claimed(&site.aws, &site.clock, &job).await;
    assert!(run.recover().await.unwrap());

    assert_eq!(logged(&site), [failed("queue_timeout")]);
    assert_eq!(site.item()["status"]["S"], "failed");
    assert_eq!(site.item()["seq"]["N"], "1");
}

#[tokio::test]
async fn job_of_a_dead_run_fails_at_its_run_limit_with_what_the_run_left() {
    let site = Site::new();
    let job = limited(&site).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    // The lease is renewed until the 40th second; the end of the second stage is logged only.
    run.finish_stage("a", None, json("1")).await.unwrap();
    site.clock.advance(10);
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    run.finish_stage("b", None, json("2")).await.unwrap_err();
    site.clock.advance(RUN_SECONDS - 10);
    check(&site, &job, None).await;
    assert_eq!(site.item()["status"]["S"], "running");
    site.clock.advance(1);

    check(&site, &job, None).await;
    check(&site, &job, None).await;

    let stage = ("stage_complete".to_owned(), String::new());
    assert_eq!(
        logged(&site),
        [stage.clone(), stage, failed("job_timed_out")]
    );
    let error = run.renew().await.unwrap_err();
    assert!(matches!(error, PublishError::LeaseLost), "{error}");
}

#[tokio::test]
async fn live_run_has_a_grace_time_to_end_its_job_itself() {
    let site = Site::new();
    let job = limited(&site).await;
    let run = claimed(&site.aws, &site.clock, &job).await;
    for _ in 0..4 {
        site.clock.advance(20);
        run.renew().await.unwrap();
    }

    check(&site, &job, None).await;
    assert_eq!(site.item()["status"]["S"], "running", "20 s over its limit");
    site.clock.advance(1);
    check(&site, &job, None).await;

    assert_eq!(logged(&site), [failed("job_timed_out")]);
    let error = run.renew().await.unwrap_err();
    assert!(matches!(error, PublishError::LeaseLost), "{error}");
}

#[tokio::test]
async fn job_that_waits_for_an_attempt_fails_at_its_run_limit() {
    let site = Site::new();
    let job = limited(&site).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let point = ProgressPoint {
        stage: "a".to_owned(),
        progress: 40,
        overall_progress: 70,
        message: String::new(),
        estimated_seconds_remaining: None,
        work: stagecast_contract::messages::WorkAmount::default(),
    };
    let at = site.clock.now().plus_seconds(300);
    run.retry(2, &point, at, 3).await.unwrap();
    let stores = stores::<stagecast_testing::product::PipelineFunction>(&site.aws, &site.clock);
    stores.jobs.release(run.lease()).await.unwrap();
    site.clock.advance(RUN_SECONDS + 1);

    check(&site, &job, None).await;

    assert_eq!(logged(&site), [failed("job_timed_out")]);
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert!(site.item()["retry_at"].is_null());
}

#[tokio::test]
async fn worker_that_holds_the_lease_loses_it_at_the_run_limit() {
    let site = Site::new();
    let job = limited_external(&site).await;
    let mut worker = claimed(&site.aws, &site.clock, &job).await;
    worker.finish_stage("a", None, json("1")).await.unwrap();
    for _ in 0..3 {
        site.clock.advance(20);
        worker.renew().await.unwrap();
    }
    check(&site, &job, Some(1)).await;
    assert_eq!(site.item()["status"]["S"], "running");
    site.clock.advance(1);

    check(&site, &job, Some(1)).await;
    check(&site, &job, Some(2)).await;

    let stage = ("stage_complete".to_owned(), String::new());
    assert_eq!(logged(&site), [stage, failed("job_timed_out")]);
    assert_eq!(published(&site), [(1, Some(2))]);
    let error = worker.finish_stage("b", None, json("2")).await.unwrap_err();
    assert!(matches!(error, PublishError::LeaseLost), "{error}");
    let stores = stores::<WorkerFunction>(&site.aws, &site.clock);
    assert!(matches!(
        stores.jobs.claim(&job.id).await.unwrap(),
        Claim::Ended
    ));
}

#[tokio::test]
async fn expiry_goes_on_when_it_was_interrupted_before_its_commit() {
    let site = Site::new();
    let job = limited_external(&site).await;
    let mut worker = claimed(&site.aws, &site.clock, &job).await;
    site.clock.advance(RUN_SECONDS + 1);
    // The first update revokes the lease, the second one commits.
    site.aws.fail(1..2, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    check(&site, &job, Some(1)).await;
    assert_eq!(site.item()["status"]["S"], "running");
    worker.finish_stage("a", None, json("1")).await.unwrap_err();

    // The watchdog of the claim that revoked the lease.
    check(&site, &job, Some(2)).await;

    assert_eq!(logged(&site), [failed("job_timed_out")]);
    assert_eq!(site.item()["seq"]["N"], "1");
}
