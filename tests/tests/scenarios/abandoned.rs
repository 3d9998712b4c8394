//! Jobs whose run or worker is dead: what was accepted for them happens all the same.

use contract::{
    ids::{AccessKey, JobId, RequestId},
    limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
    queues::{DeliveryQueue, DeliveryTask},
    tables::{Jobs, Table as _},
};
use end_to_end::{
    Answer, Job, System, needs,
    script::{Script, StageScript},
    worker::{progress, stage_complete},
};
use handlers_core::{
    clock::{Clock, random},
    models,
};
use http::Method;
use local::{Fault, Times};
use serde_json::json;

async fn cancel(system: &System, job: &Job) -> Answer {
    let path = job.path();
    system.http.with_key(Method::DELETE, &path, &job.key).await
}

/// Has the watchdog look at the job now, instead of when its time has come.
pub(crate) async fn look(system: &System, job: &Job, epoch: Option<u64>) {
    let pointer = DeliveryTask::watchdog(job.ticket().job_id, epoch);
    system.send::<DeliveryQueue>(&pointer).await;
}

/// No write of the worker function to the job's item comes through: its events are in the log only.
fn keep_from_committing(system: &System) {
    system.local().faults().on_call(|call| {
        let commits = call.caller == "worker" && call.operation == "dynamodb:UpdateItem";
        commits.then_some(Fault::Outage)
    });
}

#[tokio::test]
async fn cancelled_job_of_a_silent_worker_ends_when_its_lease_has_ended() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    worker.tell(json!([progress("a", 40)])).await;
    assert_eq!(cancel(&system, &job).await.status, 202);
    // Nothing else is asked for, and no worker comes. Its claim has started the watchdog.
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(end["type"], "job_cancelled");
    assert_eq!((&end["seq"], &end["stage"]), (&json!(1), &json!("a")));
    let late = worker.refused(409, json!([progress("a", 50)])).await;
    assert_eq!(late["code"], "job_already_finished");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn cancellation_commits_what_a_dead_worker_left_in_the_log_and_ends_the_job() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    keep_from_committing(&system);
    let post = worker.body(&json!([stage_complete("a", 7)]));
    assert_eq!(worker.post(&post).await.status, 500);
    system.local().faults().clear();
    system.end_lease(&job).await;
    assert_eq!(cancel(&system, &job).await.status, 202);
    let stage = client.expect("stage_complete").await;
    assert_eq!((&stage["seq"], &stage["results"]), (&json!(1), &json!(7)));
    assert_eq!(client.expect("job_cancelled").await["seq"], 2);
    assert_eq!(cancel(&system, &job).await.status, 409);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn cancellation_under_a_lease_ends_a_job_with_an_uncommitted_event() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    keep_from_committing(&system);
    let post = worker.body(&json!([stage_complete("a", 7)]));
    assert_eq!(worker.post(&post).await.status, 500);
    system.local().faults().clear();
    assert_eq!(cancel(&system, &job).await.status, 202);
    system.end_lease(&job).await;
    look(&system, &job, Some(1)).await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    assert_eq!(client.expect("job_cancelled").await["seq"], 2);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_whose_end_was_logged_but_not_committed_ends_that_way() {
    needs!(InjectFaults);
    let system = System::start().await;
    // Once by the watchdog, once by a cancellation that comes too late.
    for is_cancelled in [false, true] {
        let (job, mut worker) = system.create_external("").await;
        let mut client = system.watch(&job).await;
        worker.claim(&["a"]).await;
        worker.tell(json!([stage_complete("a", 7)])).await;
        keep_from_committing(&system);
        let post = worker.body(&json!([{ "type": "job_complete" }]));
        assert_eq!(worker.post(&post).await.status, 500);
        system.local().faults().clear();
        system.end_lease(&job).await;
        if is_cancelled {
            let refused = cancel(&system, &job).await;
            assert_eq!(refused.status, 409);
            let error = refused.json()["error"].clone();
            assert_eq!(error["code"], "job_already_finished");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("completed"), "{message}");
        } else {
            look(&system, &job, Some(1)).await;
        }
        client.expect("stage_complete").await;
        let end = client.expect("job_complete").await;
        assert_eq!((&end["seq"], &end["results"]), (&json!(2), &json!(7)));
        client.close().await;
    }
    system.finish().await;
}

#[tokio::test]
async fn job_whose_external_worker_is_lost_fails() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    worker.tell(json!([progress("a", 40)])).await;
    system.end_lease(&job).await;
    look(&system, &job, Some(1)).await;
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(end["type"], "job_failed");
    assert_eq!(end["error"]["code"], "worker_lost");
    assert_eq!(end["stage"], "a");
    let late = worker.refused(409, json!([stage_complete("a", 1)])).await;
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
    look(&system, &job, None).await;
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(end["type"], "job_cancelled");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_whose_run_dies_as_soon_as_it_has_the_ticket_is_run_again() {
    needs!(KillFunctions, InjectFaults);
    let system = System::scripted().await;
    // Before the first call of the run is answered, the run is dead.
    let first = Times::new(1);
    system.local().faults().on_call(move |call| {
        let is_run = call.caller == "pipeline" && call.operation.starts_with("sqs:");
        (is_run && first.take()).then_some(Fault::Hang)
    });
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.watch(&job).await;
    system
        .eventually("a run has the ticket", async |system| {
            let calls = system.local().calls();
            calls.count(|call| call.caller == "pipeline" && call.operation.starts_with("sqs:")) > 0
        })
        .await;
    system.local().kill("pipeline");
    let path = job.path();
    let snapshot = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(snapshot.json()["status"], "queued");
    // Its ticket is hidden for as long as the queue says, a quarter of an hour.
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(end["type"], "job_complete");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn watchdog_sends_the_ticket_of_a_queued_job_again() {
    let system = System::start().await;
    let (id, key) = queued_without_ticket(&system).await;
    let pointer = DeliveryTask::watchdog(id.clone(), None);
    system.send::<DeliveryQueue>(&pointer).await;
    system
        .eventually("the job is run", async |system| {
            let path = format!("/v1/jobs/{id}");
            let job = system.http.with_key(Method::GET, &path, key.reveal()).await;
            job.json()["error"]["code"] == "too_many_attempts"
        })
        .await;
    system.finish().await;
}

/// A job that has waited for ten minutes and has no ticket. Its next run fails it without a look at
/// its input.
pub(crate) async fn queued_without_ticket(system: &System) -> (JobId, AccessKey) {
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
