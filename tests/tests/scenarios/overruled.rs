//! Workers that return or claim again while the watchdog or another request ends their job.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use end_to_end::{
    System, needs,
    worker::{progress, stage_complete},
};
use http::Method;
use local_aws::Fault;
use serde_json::json;
use stagecast_contract::tables::{JobEvents, Jobs};
use typed_contract::tables::Table as _;

use crate::abandoned::run_watchdog;

#[tokio::test]
async fn reclaiming_worker_overrules_an_uncommitted_worker_lost() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    system.end_lease(&job).await;
    // The watchdog claims the job and logs its failure, but cannot commit it.
    let updates = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_update = call.caller == "delivery"
            && call.operation == "dynamodb:UpdateItem"
            && call.resource == Jobs::SPEC.name;
        let is_commit = is_update && updates.fetch_add(1, Ordering::Relaxed) > 0;
        is_commit.then_some(Fault::Outage)
    });
    run_watchdog(&system, &job, Some(1)).await;
    system
        .eventually("the failure is logged", async |system| {
            system.items(JobEvents::SPEC).await.len() == 1
        })
        .await;
    let logged = system.items(JobEvents::SPEC).await[0]["message"].to_string();
    assert!(logged.contains("worker_lost"), "{logged}");
    let refused = worker
        .post_rejected(409, json!([stage_complete("a", 1)]))
        .await;
    assert_eq!(refused["code"], "lease_lost", "{refused}");
    let claimed = worker.claim(&["a"]).await;
    assert_eq!((&claimed["epoch"], &claimed["seq"]), (&json!(3), &json!(0)));
    worker.post_events(json!([stage_complete("a", 7)])).await;
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    assert_eq!(client.expect("job_complete").await["seq"], 2);
    system.local().faults().clear();
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn late_post_gets_the_status_of_the_ended_job() {
    needs!(InjectFaults);
    let system = System::start().await;
    // The next event in the same post, with the expected status and code.
    let cases = [
        (progress("b", 10), 200, "cancelled"),
        (stage_complete("b", 8), 409, "job_already_finished"),
    ];
    for (next, status, expected) in cases {
        let (job, mut worker) = system.create_external("").await;
        let mut client = system.watch(&job).await;
        worker.claim(&["a", "b"]).await;
        // The commit hangs until the job has ended. Then the SDK retries it.
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&is_cancelled);
        let waits = Arc::new(AtomicBool::new(false));
        let has_begun = Arc::clone(&waits);
        system.local().faults().on_call(move |call| {
            let is_commit = call.caller == "worker" && call.operation == "dynamodb:UpdateItem";
            if !is_commit || is_over.load(Ordering::SeqCst) {
                return None;
            }
            has_begun.store(true, Ordering::SeqCst);
            Some(Fault::Hang)
        });
        let body = worker.body(&json!([stage_complete("a", 7), next]));
        let late = worker.clone();
        let post = tokio::spawn(async move { late.post(&body).await });
        system
            .eventually("the commit hangs", async |_| waits.load(Ordering::SeqCst))
            .await;
        system.end_lease(&job).await;
        let path = job.path();
        let cancelled = system.http.with_key(Method::DELETE, &path, &job.key).await;
        assert_eq!(cancelled.status, 202);
        is_cancelled.store(true, Ordering::SeqCst);
        let answer = post.await.expect("an answer");
        assert_eq!(answer.status, status, "{:?}", answer.body);
        let answer = answer.json();
        let field = if status == 200 {
            &answer["status"]
        } else {
            &answer["error"]["code"]
        };
        assert_eq!(*field, expected, "{answer}");
        system.local().faults().clear();
        assert_eq!(client.expect("stage_complete").await["seq"], 1);
        assert_eq!(client.expect("job_cancelled").await["seq"], 2);
        client.close().await;
    }
    system.finish().await;
}
