//! Jobs with a dead run or worker: cancellations still take effect, and queued jobs are run.

use end_to_end::{
    Job, Response, System, needs,
    script::{Script, StageScript},
    worker::progress,
};
use http::Method;
use local_aws::{Fault, Times};
use serde_json::json;
use stagecast_contract::{
    ids::{AccessKey, JobId, RequestId},
    limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
    queues::{DeliveryQueue, DeliveryTask},
    tables::Jobs,
};
use stagecast_core::{
    clock::{Clock, random},
    models,
};
use typed_contract::tables::Table as _;

async fn cancel(system: &System, job: &Job) -> Response {
    let path = job.path();
    system.http.with_key(Method::DELETE, &path, &job.key).await
}

/// Makes the watchdog check the job now instead of at its scheduled time.
pub(crate) async fn run_watchdog(system: &System, job: &Job, epoch: Option<u64>) {
    let task = DeliveryTask::watchdog(job.job_message().job_id, epoch);
    system.send::<DeliveryQueue>(&task).await;
}

#[tokio::test]
async fn cancelled_job_of_a_silent_worker_ends_with_its_lease() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    worker.post_events(json!([progress("a", 40)])).await;
    assert_eq!(cancel(&system, &job).await.status, 202);
    // No other request and no worker comes. The claim has scheduled the watchdog.
    let end = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(end["type"], "job_cancelled");
    assert_eq!((&end["seq"], &end["stage"]), (&json!(1), &json!("a")));
    let late = worker.post_rejected(409, json!([progress("a", 50)])).await;
    assert_eq!(late["code"], "job_already_finished");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn cancelled_job_of_a_killed_run_ends_without_another_run() {
    needs!(KillFunctions, InjectFaults);
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(100_000, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    while client.next().await.expect("a message")["type"] != "progress_update" {}
    // No other run can claim the job.
    system.local().faults().on_call(|call| {
        let claims = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
        claims.then_some(Fault::Outage)
    });
    system.local().kill("pipeline");
    assert_eq!(cancel(&system, &job).await.status, 202);
    system.end_lease(&job).await;
    run_watchdog(&system, &job, None).await;
    let end = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(end["type"], "job_cancelled");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn run_killed_before_its_claim_is_retried() {
    needs!(KillFunctions, InjectFaults);
    let system = System::scripted().await;
    // The run is killed before its first call returns.
    let first = Times::new(1);
    system.local().faults().on_call(move |call| {
        let is_run = call.caller == "pipeline" && call.operation.starts_with("sqs:");
        (is_run && first.take()).then_some(Fault::Hang)
    });
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.watch(&job).await;
    system
        .eventually("a run has the job message", async |system| {
            let calls = system.local().calls();
            calls.count(|call| call.caller == "pipeline" && call.operation.starts_with("sqs:")) > 0
        })
        .await;
    system.local().kill("pipeline");
    let path = job.path();
    let snapshot = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(snapshot.json()["status"], "queued");
    // Its job message is hidden for the queue's visibility timeout, a quarter of an hour.
    let end = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(end["type"], "job_complete");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn watchdog_sends_the_job_message_of_a_queued_job_again() {
    let system = System::start().await;
    let (id, key) = queued_without_job_message(&system).await;
    let task = DeliveryTask::watchdog(id.clone(), None);
    system.send::<DeliveryQueue>(&task).await;
    system
        .eventually("the job is run", async |system| {
            let path = format!("/v1/jobs/{id}");
            let job = system.http.with_key(Method::GET, &path, key.reveal()).await;
            job.json()["error"]["code"] == "too_many_attempts"
        })
        .await;
    system.finish().await;
}

/// Stores a job that has been queued for ten minutes and has no job message. Its next run fails it without
/// reading its input.
pub(crate) async fn queued_without_job_message(system: &System) -> (JobId, AccessKey) {
    let created = Clock::system().now().plus_seconds(-600);
    let (id, key) = (JobId::new(created, random()), AccessKey::new(random()));
    let request_id = RequestId::new(created, random());
    let correlation_id = request_id.to_string();
    let png = "image/png".to_owned();
    let mut job = models::Job::queued(id.clone(), &key, request_id, correlation_id, png, created);
    job.attempts_without_progress = MAX_ATTEMPTS_WITHOUT_PROGRESS;
    let item = job.to_dynamodb_item().expect("an item");
    system.put(Jobs::SPEC, item).await;
    (id, key)
}
