//! What the delivery function does for a job's audience, and how connections live on.

use contract::{
    ids::CorrelationId,
    queues::JobQueue,
    tables::{Connections, Subscribers, Table as _},
};
use end_to_end::{
    Client, Job, System,
    script::{Gate, Script, StageScript},
    worker::progress,
};
use futures_util::future::join_all;
use handlers_core::{
    clock::Clock,
    models::{Connection, Subscriber},
};
use serde_json::json;

/// Connections that one invocation of the delivery function serves.
const CHUNK: usize = 500;

/// The log of a job whose stages have finished.
const LOG: [(&str, u64); 3] = [
    ("stage_complete", 1),
    ("stage_complete", 2),
    ("job_complete", 3),
];

async fn expect_the_log(client: &mut Client) {
    for (kind, seq) in LOG {
        assert_eq!(client.expect(kind).await["seq"], seq);
    }
}

/// A job that has ended, and someone who has watched it and stays.
async fn ended_and_watched(system: &System) -> (Job, Client) {
    let (job, mut client) = system.watched(Script::default()).await;
    client.until_the_end().await;
    (job, client)
}

/// Stores a connection that watches a job and that API Gateway does not know any more.
async fn leave_behind(system: &System, job: &Job, connection_id: &str) {
    let job_id = job.ticket().job_id;
    let began = Clock::system().now().plus_seconds(-60);
    let correlation_id = CorrelationId::new(began, [1; 8]);
    let watched = Some(job_id.clone());
    let item = Connection::starting(connection_id, watched, correlation_id.clone(), began);
    let item = item.to_dynamodb_item().expect("an item");
    system.put(Connections::SPEC, item).await;
    let subscriber = Subscriber {
        job_id,
        connection_id: connection_id.to_owned(),
        connected_at: began,
        subscribed_at: began,
        at_seq: 0,
        correlation_id,
        expires_at: began.plus_seconds(3600).epoch_seconds(),
    };
    let item = subscriber.to_dynamodb_item().expect("an item");
    system.put(Subscribers::SPEC, item).await;
}

/// Waits until every connection and subscription lives for longer than `soon`.
async fn live_on(system: &System, soon: i64) {
    system
        .eventually("the connections live on", async |system| {
            let mut items = system.items(Connections::SPEC).await;
            items.extend(system.items(Subscribers::SPEC).await);
            let mut expiries = items.iter().map(|item| item["expires_at"].as_i64());
            expiries.all(|expires_at| expires_at > Some(soon))
        })
        .await;
}

#[tokio::test]
async fn a_ticket_that_comes_twice_has_the_log_sent_again() {
    let system = System::scripted().await;
    let (job, mut client) = ended_and_watched(&system).await;
    system.send::<JobQueue>(&job.ticket()).await;
    expect_the_log(&mut client).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_ticket_that_comes_twice_while_its_job_runs_is_looked_at_when_the_lease_has_ended() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(20, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let mut client = system.watch(&job).await;
    while client.next().await.unwrap()["type"] != "progress_update" {}
    system.send::<JobQueue>(&job.ticket()).await;
    gate.open();
    client.until_the_end().await;
    // The run that holds the lease might have died just now, for all the second ticket knows.
    expect_the_log(&mut client).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_connection_that_progress_reaches_lives_on() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(600, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let soon = system.age_connections().await;
    // Someone new: the pipeline reads anew who watches, and until when.
    let other = system.watch(&job).await;
    live_on(&system, soon).await;
    let cancel = json!({ "type": "cancel_job", "job_id": job.id });
    client.send(&cancel).await;
    client.until_the_end().await;
    client.close().await;
    other.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_connection_that_the_progress_of_a_worker_of_its_own_reaches_lives_on() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let soon = system.age_connections().await;
    worker.tell(json!([progress("a", 1)])).await;
    live_on(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_silent_job_is_watched_on_by_a_connection_that_another_job_reaches() {
    let system = System::start().await;
    let (talks, mut worker) = system.create_external("").await;
    let (silent, _) = system.create_external("").await;
    let mut client = system.watch(&talks).await;
    client.ask(&silent.subscribe(), "subscribed").await;
    worker.claim(&["a"]).await;
    let soon = system.age_connections().await;
    worker.tell(json!([progress("a", 1)])).await;
    live_on(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn what_a_connection_watches_lives_on_while_its_client_pings() {
    let system = System::start().await;
    // Nothing is sent to it: no worker claims its job.
    let (job, _) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    let soon = system.age_subscriptions().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;
    live_on(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_connection_that_a_delivery_reaches_lives_on() {
    let system = System::scripted().await;
    let (job, mut client) = ended_and_watched(&system).await;
    let soon = system.age_connections().await;
    system.send::<JobQueue>(&job.ticket()).await;
    expect_the_log(&mut client).await;
    live_on(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten_by_the_pipeline() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(20, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    leave_behind(&system, &job, "Gone0Gone0Gone0=").await;
    let mut client = system.watch(&job).await;
    gate.open();
    client.until_the_end().await;
    client.close().await;
    // Nothing of it is left.
    system.finish().await;
}

#[tokio::test]
async fn an_audience_too_wide_for_one_invocation_is_served_in_parts() {
    let system = System::scripted().await;
    let (job, mut client) = ended_and_watched(&system).await;
    for some in (0..CHUNK).collect::<Vec<_>>().chunks(20) {
        let ids = some.iter().map(|number| format!("Gone{number:011}="));
        join_all(ids.map(async |id| leave_behind(&system, &job, &id).await)).await;
    }
    system.send::<JobQueue>(&job.ticket()).await;
    expect_the_log(&mut client).await;
    client.close().await;
    // Nothing of those that are gone is left.
    system.finish().await;
}
