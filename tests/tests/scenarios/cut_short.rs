//! What was cut short half-way is finished by whoever comes next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contract::tables::{Jobs, Subscribers, Table as _};
use end_to_end::{
    Answer, Job, System, needs,
    script::{Gate, Script, StageScript},
    worker::stage_complete,
};
use http::Method;
use local::{Fault, Times};
use serde_json::json;

async fn cancel(system: &System, job: &Job) -> Answer {
    let path = job.path();
    system.http.with_key(Method::DELETE, &path, &job.key).await
}

/// How often the SDK tries.
const ATTEMPTS: usize = 3;

#[tokio::test]
async fn a_cancellation_whose_answer_was_lost_is_told_of() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, _) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    // The first update asks the job to stop, the second ends it.
    let updates = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_update = call.caller == "jobs" && call.operation == "dynamodb:UpdateItem";
        let is_second = is_update && updates.fetch_add(1, Ordering::Relaxed) == 1;
        is_second.then_some(Fault::LostAnswer)
    });
    assert_eq!(cancel(&system, &job).await.status, 202);
    client.expect("job_cancelled").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_cancellation_that_could_not_be_told_of_is_told_of_when_it_is_asked_for_again() {
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
async fn a_worker_that_is_back_finishes_the_cancellation_that_it_finds_begun() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    system.end_lease(&job).await;
    // It is in the log, and never gets further.
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
    let refused = worker.refused(409, json!([stage_complete("a", 1)])).await;
    assert_eq!(refused["code"], "job_already_finished", "{refused}");
    assert_eq!(client.expect("job_cancelled").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn what_a_queue_did_not_take_is_left_to_it_once_more() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    // Who watches is not known, so it is the delivery function's; but the queue is away, too.
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
    worker.tell(json!([stage_complete("a", 1)])).await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn what_could_not_be_sent_and_not_be_queued_is_queued_a_moment_later() {
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
    worker.tell(json!([stage_complete("a", 1)])).await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_job_whose_making_lost_its_answer_is_made_once() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let lost = Times::new(1);
    system.local().faults().on_call(move |call| {
        let is_made = call.caller == "jobs" && call.operation == "dynamodb:PutItem";
        (is_made && lost.take()).then_some(Fault::LostAnswer)
    });
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.watch(&job).await;
    client.until_the_end().await;
    assert_eq!(system.items(Jobs::SPEC).await.len(), 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_job_that_is_given_back_has_a_ticket_also_when_the_answer_was_lost() {
    needs!(InjectFaults, CountCalls, AdjustTheStack);
    // A run has half of this time before it gives its job back.
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
    client.next().await.expect("it runs");
    // Every write is done twice.
    let turn = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_write = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
        let is_first = is_write && turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        is_first.then_some(Fault::LostAnswer)
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
async fn a_run_that_fails_after_a_stage_leaves_a_job_that_can_be_read_and_ends() {
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
    // As often as the run tries, and the SDK for it.
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
async fn a_connection_that_answers_too_late_each_time_does_not_have_the_others_served_again() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let (job, mut worker) = system.create_external("").await;
    let mut slow = system.watch(&job).await;
    let slow_id = system.local().connection_ids().pop().expect("it is there");
    let mut other = system.watch(&job).await;
    let stages = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    worker.claim(&stages).await;
    for stage in stages {
        worker.tell(json!([stage_complete(stage, 1)])).await;
    }
    worker.tell(json!([{ "type": "job_complete" }])).await;
    for client in [&mut slow, &mut other] {
        client.until_the_end().await;
    }
    // Thirteen messages of nearly three seconds each are more than the function has time for.
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
    crate::queues::pointer(&system, &job, 0).await;
    other.until_the_end().await;
    slow.until_the_end().await;
    assert_eq!(to_other.load(Ordering::Relaxed), 13);
    slow.close().await;
    other.close().await;
    system.finish().await;
}
