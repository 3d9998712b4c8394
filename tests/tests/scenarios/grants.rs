//! Functions have no unused grants.
//!
//! The compiler rejects calls without a grant. For the reverse, this scenario makes the functions use all
//! of their code paths, and reports the grants that no call used.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use end_to_end::{
    Client, Job, System, grants, needs,
    script::{Gate, Script, StageScript},
    worker::{progress, stage_complete},
};
use http::Method;
use local_aws::{Fault, Times};
use serde_json::json;
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE,
    queues::{DeliveryQueue, DeliveryTask},
    tables::{Jobs, Subscribers, WorkQueues},
};
use stagecast_testing::webhooks::{Receiver, Reply};
use typed_contract::tables::Table as _;

use crate::{
    abandoned::{queued_without_job_message, run_watchdog},
    uploads::upload_is_listed_and_aborted,
    webhooks::post_to,
};

/// The number of attempts of a function to post one message.
const ATTEMPTS: usize = 8;

#[tokio::test]
async fn every_grant_is_used_and_every_call_is_granted() {
    needs!(InjectFaults, CountCalls, AdjustStack);
    // The first webhook is posted again.
    let receiver = Receiver::replying([Reply::status(500)]).await;
    // A run releases its job after half of this timeout.
    let system = System::scripted_with(|options| {
        let twenty = Duration::from_secs(20);
        options
            .function_timeouts
            .insert("pipeline".to_owned(), twenty);
        post_to(&receiver, options);
    })
    .await;
    queued_job_is_cancelled_with_failing_connections(&system).await;
    let long = job_takes_longer_than_one_run(&system).await;
    clients_subscribe_ask_and_leave(&system).await;
    used_connections_are_renewed(&system).await;
    one_connection_is_closed_and_another_fails(&system).await;
    Box::pin(external_worker_runs_a_job(&system)).await;
    watchdog_handles_abandoned_jobs(&system).await;
    jobs_of_a_queue_are_claimed_and_cancelled(&system).await;
    Box::pin(workers_listen_to_a_queue(&system)).await;
    results_are_fetched(&system, long).await;
    upload_is_listed_and_aborted(&system).await;
    system
        .eventually("webhooks are posted, and one again", async |_| {
            let posts = receiver.received();
            let ids = posts.iter().map(|it| &it.headers["webhook-id"]);
            ids.collect::<BTreeSet<_>>().len() < posts.len()
        })
        .await;

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
async fn jobs_of_a_queue_are_claimed_and_cancelled(system: &System) {
    let token = system.worker_token().await;
    for is_over_websocket in [true, false] {
        let job = system.create_in_queue("queue=plans", "input").await;
        let mut client = system.watch(&job).await;
        if is_over_websocket {
            let cancel = json!({ "type": "cancel_job", "job_id": job.id, "access_key": job.key });
            client.send(&cancel).await;
        } else {
            cancel_over_http(system, &job).await;
        }
        client.until_job_ends().await;
        client.close().await;
    }
    let job = system.create_in_queue("queue=plans", "input").await;
    let (_, released) = system.claim_from("plans", &token).await.expect("a job");
    released
        .request(Method::POST, "release", r#"{"epoch":1}"#)
        .await;
    let (_, dead) = system.claim_from("plans", &token).await.expect("a job");
    system.end_lease(&job).await;
    run_watchdog(system, &job, Some(dead.epoch)).await;
    system
        .eventually("the job is back in its queue", async |system| {
            let items = system.items(WorkQueues::SPEC).await;
            items.iter().any(|item| item["job_id"] == job.id.as_str())
        })
        .await;
    // The delivery function fails a job that no worker claims in time, and deletes its entry.
    let jobs = Jobs::SPEC;
    let limited = json!({ "queue": "plans", "limits": { "queue_seconds": 1 } });
    let limited = create_described(system, &limited).await;
    system
        .eventually("the job is over its limit", async |system| {
            let items = system.items(jobs).await;
            let item = items.iter().find(|item| item["job_id"] == limited.as_str());
            item.is_some_and(|item| item["status"] == "failed")
        })
        .await;
}

/// The creation, the release and the end of the lease of a job each notify a worker that listens.
async fn workers_listen_to_a_queue(system: &System) {
    let token = system.worker_token().await;
    let (mut client, listener) = system.listen("reports", &token).await;
    let claim = async || system.claim_listening("reports", &token, &listener).await;
    assert!(claim().await.is_none());
    let job = system.create_in_queue("queue=reports", "input").await;
    client.expect("job_available").await;
    let (_, first) = system.claim_from("reports", &token).await.expect("a job");
    assert!(claim().await.is_none());
    first
        .request(Method::POST, "release", r#"{"epoch":1}"#)
        .await;
    client.expect("job_available").await;
    let (_, second) = system.claim_from("reports", &token).await.expect("a job");
    assert!(claim().await.is_none());
    system.end_lease(&job).await;
    run_watchdog(system, &job, Some(second.epoch)).await;
    client.expect("job_available").await;
    cancel_over_http(system, &job).await;

    system.age_connections().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;
    let stop = json!({ "type": "stop_listening", "queue": "reports" });
    client.ask(&stop, "stopped_listening").await;
    client.close().await;
}

/// Creates a job from a description. Returns its id.
async fn create_described(system: &System, description: &serde_json::Value) -> String {
    let headers = [("content-type", JOB_DESCRIPTION_TYPE)];
    let body = description.to_string();
    let answer = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, body.into_bytes())
        .await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["job_id"].as_str().expect("an id").to_owned()
}

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
