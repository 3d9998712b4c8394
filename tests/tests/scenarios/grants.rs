//! Functions have no unused grants.
//!
//! The compiler rejects calls without a grant. For the reverse, this scenario makes the functions use all
//! of their code paths, and reports the grants that no call used.

use std::{sync::Arc, time::Duration};

use end_to_end::{
    Client, Job, System, grants, needs,
    script::{Gate, Script, StageScript},
    worker::{progress, stage_complete},
};
use http::Method;
use local_aws::{Fault, Times};
use serde_json::json;
use stagecast_contract::{
    queues::{DeliveryQueue, DeliveryTask},
    tables::{Jobs, Subscribers},
};
use typed_contract::tables::Table as _;

use crate::abandoned::{queued_without_job_message, run_watchdog};

/// The number of attempts of a function to post one message.
const ATTEMPTS: usize = 8;

#[tokio::test]
async fn every_grant_is_used_and_every_call_is_granted() {
    needs!(InjectFaults, CountCalls, AdjustStack);
    // A run releases its job after half of this timeout.
    let system = System::scripted_with(|options| {
        let twenty = Duration::from_secs(20);
        options
            .function_timeouts
            .insert("pipeline".to_owned(), twenty);
    })
    .await;
    queued_job_is_cancelled_with_failing_connections(&system).await;
    let long = job_takes_longer_than_one_run(&system).await;
    clients_subscribe_ask_and_leave(&system).await;
    used_connections_are_renewed(&system).await;
    one_connection_is_closed_and_another_fails(&system).await;
    Box::pin(external_worker_runs_a_job(&system)).await;
    watchdog_handles_abandoned_jobs(&system).await;
    results_are_fetched(&system, long).await;

    let calls = system.local().calls().all();
    let unused = grants::unused(&calls);
    assert!(unused.is_empty(), "{unused:#?}\ncalls: {calls:#?}");
    // The other direction: every call is granted.
    system.finish().await;
}

/// The delivery function renews one connection, is throttled on the second and finds the third closed.
async fn queued_job_is_cancelled_with_failing_connections(system: &System) {
    // No run can claim the job, so it stays queued.
    system.local().faults().on_call(|call| {
        let claims = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
        claims.then_some(Fault::Outage)
    });
    let job = system.create_scripted(&Script::default()).await;
    let (mut first, _) = watch(system, &job).await;
    let (mut busy, busy_id) = watch(system, &job).await;
    let (gone, gone_id) = watch(system, &job).await;
    let refusals = Times::new(ATTEMPTS);
    system.local().faults().on_post(move |post| {
        if post.caller == "delivery" && post.connection_id == gone_id {
            Some(Fault::Status(410))
        } else if post.caller == "delivery" && post.connection_id == busy_id {
            refusals.take().then_some(Fault::Outage)
        } else {
            None
        }
    });
    system.age_connections().await;
    cancel_over_http(system, &job).await;
    for client in [&mut first, &mut busy] {
        client.expect("job_cancelled").await;
    }

    let other = system.create_scripted(&Script::default()).await;
    let cancel = json!({ "type": "cancel_job", "job_id": other.id, "access_key": other.key });
    first.ask(&cancel, "cancel_requested").await;
    system
        .eventually("the closed connection is deleted", async |system| {
            system.items(Subscribers::SPEC).await.len() == 2
        })
        .await;
    for client in [first, busy, gone] {
        client.close().await;
    }
    system.local().faults().clear();
}

/// Large results, a stage without reports for a while, and a second run.
async fn job_takes_longer_than_one_run(system: &System) -> (Job, Client) {
    let large = |act: StageScript, results_bytes| StageScript {
        results_bytes,
        ..act
    };
    let script = Script {
        stage_1: large(StageScript::slow(2, 3500), 100_000),
        stage_2: large(StageScript::slow(50, 100), 5_000_000),
    };
    let job = system.create_scripted(&script).await;
    let mut client = Client::connect(&job.url()).await.expect("a connection");
    client.send(&json!({ "type": "ping" })).await;
    client.expect("subscribed").await;
    client.expect("pong").await;
    (job, client)
}

async fn results_are_fetched(system: &System, (job, mut client): (Job, Client)) {
    client.until_job_ends().await;
    client.close().await;
    let mut late = system.watch(&job).await;
    late.until_job_ends().await;
    late.close().await;
    let small = format!("{}/results?stage=stage_1", job.path());
    let small = system.http.with_key(Method::GET, &small, &job.key).await;
    assert_eq!(small.status, 200);
    let huge = format!("{}/results", job.path());
    let huge = system.http.with_key(Method::GET, &huge, &job.key).await;
    assert_eq!(huge.status, 307);
}

async fn clients_subscribe_ask_and_leave(system: &System) {
    let script = Script {
        stage_1: StageScript::slow(600, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let about = |kind: &str| json!({ "type": kind, "job_id": job.id });
    client.ask(&about("request_status"), "job_status").await;
    client.ask(&about("unsubscribe"), "unsubscribed").await;
    client.ask(&job.subscribe(), "subscribed").await;
    let status = system
        .http
        .with_key(Method::GET, &job.path(), &job.key)
        .await;
    assert_eq!(status.status, 200);
    cancel_over_http(system, &job).await;
    client.until_job_ends().await;
    client.close().await;
}

async fn used_connections_are_renewed(system: &System) {
    let script = Script {
        stage_1: StageScript::slow(600, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let renewals = |caller: &'static str| {
        async move |system: &System| {
            system.local().calls().count(|call| {
                call.caller == caller
                    && call.operation == "dynamodb:UpdateItem"
                    && call.resource == Subscribers::SPEC.name
            }) > 0
        }
    };
    system.age_connections().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;
    system
        .eventually(
            "a message of the client renews the connection",
            renewals("websocket"),
        )
        .await;

    system.age_connections().await;
    // A new subscription makes the pipeline read the list of subscribers again.
    let second = system.watch(&job).await;
    system
        .eventually(
            "a post to the client renews the connection",
            renewals("pipeline"),
        )
        .await;
    cancel_over_http(system, &job).await;
    client.until_job_ends().await;
    client.close().await;
    second.close().await;
}

async fn one_connection_is_closed_and_another_fails(system: &System) {
    let script = Script {
        stage_1: StageScript::slow(10, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let (gone, gone_id) = watch(system, &job).await;
    let (mut busy, busy_id) = watch(system, &job).await;
    let (gone_id, busy_id) = (Arc::new(gone_id), Arc::new(busy_id));
    system.local().faults().on_post(move |post| {
        if post.caller == "pipeline" && post.connection_id == *gone_id {
            Some(Fault::Status(410))
        } else if post.caller == "pipeline" && post.connection_id == *busy_id {
            Some(Fault::Outage)
        } else {
            None
        }
    });
    gate.open();
    let messages = busy.until_job_ends().await;
    assert_eq!(messages.last().expect("an end")["type"], "job_complete");
    system
        .eventually("the closed connection is deleted", async |system| {
            let watchers = system.items(Subscribers::SPEC).await;
            watchers.iter().filter(|it| it["job_id"] == job.id).count() == 1
        })
        .await;
    gone.close().await;
    busy.close().await;
    system.local().faults().clear();
}

/// The worker function renews one connection, finds the second closed and the third failing.
async fn external_worker_runs_a_job(system: &System) {
    let (job, mut worker) = system.create_external("input").await;
    let (mut alive, _) = watch(system, &job).await;
    let (gone, gone_id) = watch(system, &job).await;
    let (mut busy, busy_id) = watch(system, &job).await;
    system.age_connections().await;
    system.local().faults().on_post(move |post| {
        if post.caller == "worker" && post.connection_id == gone_id {
            Some(Fault::Status(410))
        } else if post.caller == "worker" && post.connection_id == busy_id {
            Some(Fault::Outage)
        } else {
            None
        }
    });
    worker.claim(&["a"]).await;
    worker.request(Method::GET, "input", "").await;
    let large = stage_complete("a", "x".repeat(100_000));
    let end = json!({ "type": "job_complete" });
    worker
        .post_events(json!([progress("a", 1), large, end]))
        .await;
    alive.until_job_ends().await;
    busy.until_job_ends().await;
    system
        .eventually("the closed connection is deleted", async |system| {
            let watchers = system.items(Subscribers::SPEC).await;
            watchers.iter().filter(|it| it["job_id"] == job.id).count() == 2
        })
        .await;
    for client in [alive, gone, busy] {
        client.close().await;
    }
    system.local().faults().clear();
}

/// The watchdog ends a cancelled job with a silent worker, and requeues a job without a job message.
async fn watchdog_handles_abandoned_jobs(system: &System) {
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    cancel_over_http(system, &job).await;
    system.end_lease(&job).await;
    run_watchdog(system, &job, Some(1)).await;
    client.expect("job_cancelled").await;
    client.close().await;

    let (id, _) = queued_without_job_message(system).await;
    let task = DeliveryTask::watchdog(id.clone(), None);
    system.send::<DeliveryQueue>(&task).await;
    system
        .eventually("the job is run", async |system| {
            let jobs = system.items(Jobs::SPEC).await;
            let job = jobs.iter().find(|job| job["job_id"] == id.as_str());
            job.is_some_and(|job| job["status"] == "failed")
        })
        .await;
}

/// Subscribes to a job on a new connection. Returns the client and the connection id.
async fn watch(system: &System, job: &Job) -> (Client, String) {
    let before = system.local().connection_ids();
    let client = system.watch(job).await;
    let mut ids = system.local().connection_ids();
    ids.retain(|id| !before.contains(id));
    (client, ids.pop().expect("the new connection"))
}

async fn cancel_over_http(system: &System, job: &Job) {
    let path = job.path();
    let answer = system.http.with_key(Method::DELETE, &path, &job.key).await;
    assert_eq!(answer.status, 202);
}
