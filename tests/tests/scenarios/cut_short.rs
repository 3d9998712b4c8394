//! Interrupted operations are completed by the next request or run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contract::tables::{Jobs, Subscribers, Table as _};
use end_to_end::{
    Job, Response, System, needs,
    script::{Gate, Script, StageScript},
    worker::stage_complete,
};
use http::Method;
use local::{Fault, Times};
use serde_json::json;

async fn cancel(system: &System, job: &Job) -> Response {
    let path = job.path();
    system.http.with_key(Method::DELETE, &path, &job.key).await
}

/// The number of attempts of the SDK.
const ATTEMPTS: usize = 3;

#[tokio::test]
async fn cancel_whose_write_response_was_lost_notifies_subscribers() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, _) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    // The first update requests the cancellation, the second ends the job.
    let updates = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_update = call.caller == "jobs" && call.operation == "dynamodb:UpdateItem";
        let is_second = is_update && updates.fetch_add(1, Ordering::Relaxed) == 1;
        is_second.then_some(Fault::LostResponse)
    });
    assert_eq!(cancel(&system, &job).await.status, 202);
    client.expect("job_cancelled").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn repeated_cancel_notifies_subscribers_after_enqueue_failed() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, _) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    // The watchdog is scheduled; the subscribers are not notified.
    let sends = AtomicU64::new(0);
    let away = Times::new(ATTEMPTS);
    system.local().faults().on_call(move |call| {
        let is_ours = call.caller == "jobs" && call.operation == "sqs:SendMessage";
        let is_later = is_ours && sends.fetch_add(1, Ordering::Relaxed) > 0;
        (is_later && away.take()).then_some(Fault::Outage)
    });
    assert_eq!(cancel(&system, &job).await.status, 500);
    assert_eq!(cancel(&system, &job).await.status, 409);
    client.expect("job_cancelled").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn returning_worker_completes_a_started_cancellation() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    system.end_lease(&job).await;
    // The terminal event is logged but not committed.
    let updates = AtomicU64::new(0);
    let away = Times::new(ATTEMPTS);
    system.local().faults().on_call(move |call| {
        let is_update = call.caller == "jobs"
            && call.operation == "dynamodb:UpdateItem"
            && call.resource == Jobs::SPEC.name;
        let is_later = is_update && updates.fetch_add(1, Ordering::Relaxed) > 0;
        (is_later && away.take()).then_some(Fault::Outage)
    });
    assert_eq!(cancel(&system, &job).await.status, 500);
    let refused = worker
        .post_rejected(409, json!([stage_complete("a", 1)]))
        .await;
    assert_eq!(refused["code"], "job_already_finished", "{refused}");
    assert_eq!(client.expect("job_cancelled").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn failed_enqueue_of_a_delivery_task_is_retried() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    // The list of subscribers cannot be read, so the message is for the delivery function, but the queue
    // fails too.
    let (list, queue) = (Times::new(ATTEMPTS), Times::new(ATTEMPTS));
    system.local().faults().on_call(move |call| {
        if call.caller != "worker" {
            return None;
        }
        let is_list = call.operation == "dynamodb:Query" && call.resource == Subscribers::SPEC.name;
        let is_queue = call.operation == "sqs:SendMessage";
        let is_away = (is_list && list.take()) || (is_queue && queue.take());
        is_away.then_some(Fault::Outage)
    });
    worker.post_events(json!([stage_complete("a", 1)])).await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn failed_post_and_failed_enqueue_are_retried_later() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let faults = system.local().faults();
    faults.on_post(|post| (post.caller == "worker").then_some(Fault::Outage));
    let queue = Times::new(ATTEMPTS);
    faults.on_call(move |call| {
        let is_queue = call.caller == "worker" && call.operation == "sqs:SendMessage";
        (is_queue && queue.take()).then_some(Fault::Outage)
    });
    worker.post_events(json!([stage_complete("a", 1)])).await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_is_created_once_when_the_write_response_is_lost() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let lost = Times::new(1);
    system.local().faults().on_call(move |call| {
        let is_made = call.caller == "jobs" && call.operation == "dynamodb:PutItem";
        (is_made && lost.take()).then_some(Fault::LostResponse)
    });
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.watch(&job).await;
    client.until_job_ends().await;
    assert_eq!(system.items(Jobs::SPEC).await.len(), 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn released_job_is_queued_when_the_write_response_is_lost() {
    needs!(InjectFaults, CountCalls, AdjustStack);
    // A run releases its job after half of this timeout.
    let system = System::scripted_with(|options| {
        let ten = Duration::from_secs(10);
        options.function_timeouts.insert("pipeline".to_owned(), ten);
    })
    .await;
    let script = Script {
        stage_1: StageScript::slow(100_000, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    client.next().await.expect("the job runs");
    // Every first write loses its response, so the SDK repeats it.
    let turn = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_write = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
        let is_first = is_write && turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        is_first.then_some(Fault::LostResponse)
    });
    system
        .eventually("the job is back on its queue", async |system| {
            let calls = system.local().calls();
            calls.count(|call| call.caller == "pipeline" && call.operation == "sqs:SendMessage") > 0
        })
        .await;
    system.local().faults().clear();
    assert_eq!(cancel(&system, &job).await.status, 202);
    client.expect("job_cancelled").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn run_failing_after_a_stage_leaves_a_readable_job() {
    needs!(InjectFaults, ReadLogs);
    let system = System::scripted().await;
    let gate = Gate::closed();
    let large = StageScript {
        results_bytes: 100_000,
        ..StageScript::default()
    };
    let script = Script {
        stage_2: large.behind(&gate),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    client.expect("stage_complete").await;
    // The run's attempts times the SDK's attempts.
    let away = Times::new(5 * ATTEMPTS);
    system.local().faults().on_call(move |call| {
        let is_result = call.caller == "pipeline" && call.operation == "s3:PutObject";
        (is_result && away.take()).then_some(Fault::Outage)
    });
    gate.open();
    system
        .eventually("the run fails", async |system| {
            let logs = system.local().logs();
            logs.iter().any(|line| line.text.contains("a run failed"))
        })
        .await;
    let snapshot = system
        .http
        .with_key(Method::GET, &job.path(), &job.key)
        .await;
    assert_eq!(snapshot.status, 200, "{:?}", snapshot.body);
    assert_eq!(
        system.items(Jobs::SPEC).await[0]["attempts_without_progress"],
        0
    );
    client.expect("stage_complete").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn slow_connection_causes_no_repeats_for_others() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let (job, mut worker) = system.create_external("").await;
    let mut slow = system.watch(&job).await;
    let slow_id = system
        .local()
        .connection_ids()
        .pop()
        .expect("the connection is open");
    let mut other = system.watch(&job).await;
    let stages = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    worker.claim(&stages).await;
    for stage in stages {
        worker.post_events(json!([stage_complete(stage, 1)])).await;
    }
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    for client in [&mut slow, &mut other] {
        client.until_job_ends().await;
    }
    // Thirteen messages of nearly three seconds each exceed the function's time.
    let to_other = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&to_other);
    let lame = Times::new(13);
    system.local().faults().on_post(move |post| {
        if post.caller != "delivery" {
            return None;
        }
        if post.connection_id == slow_id {
            return lame
                .take()
                .then_some(Fault::Delay(Duration::from_millis(2800)));
        }
        counted.fetch_add(1, Ordering::Relaxed);
        None
    });
    crate::queues::send_log_task(&system, &job, 0).await;
    other.until_job_ends().await;
    slow.until_job_ends().await;
    assert_eq!(to_other.load(Ordering::Relaxed), 13);
    slow.close().await;
    other.close().await;
    system.finish().await;
}
