//! The delivery function's work for subscribers, and the renewal of connections.

use end_to_end::{
    Client, Job, System,
    script::{Gate, Script, StageScript},
    worker::progress,
};
use futures_util::future::join_all;
use serde_json::json;
use stagecast_contract::{
    ids::CorrelationId,
    queues::JobQueue,
    tables::{Connections, Subscribers},
};
use stagecast_core::{
    clock::Clock,
    models::{Connection, Subscriber},
};
use typed_contract::tables::Table as _;

/// Maximum number of connections that one invocation of the delivery function serves.
const CHUNK: usize = 500;

/// The log of a completed job: type and `seq`.
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

/// A completed job, with a client that stays connected.
async fn ended_and_watched(system: &System) -> (Job, Client) {
    let (job, mut client) = system.create_and_watch(Script::default()).await;
    client.until_job_ends().await;
    (job, client)
}

/// Stores a connection with a subscription that is already closed in API Gateway.
async fn store_closed_connection(system: &System, job: &Job, connection_id: &str) {
    let job_id = job.job_message().job_id;
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
        token: None,
        feed: None,
    };
    let item = subscriber.to_dynamodb_item().expect("an item");
    system.put(Subscribers::SPEC, item).await;
}

/// Waits until every connection and subscription expires after `soon`.
async fn wait_until_renewed(system: &System, soon: i64) {
    system
        .eventually("the connections are renewed", async |system| {
            let mut items = system.items(Connections::SPEC).await;
            items.extend(system.items(Subscribers::SPEC).await);
            let mut expiries = items.iter().map(|item| item["expires_at"].as_i64());
            expiries.all(|expires_at| expires_at > Some(soon))
        })
        .await;
}

#[tokio::test]
async fn duplicate_job_message_sends_the_log_again() {
    let system = System::scripted().await;
    let (job, mut client) = ended_and_watched(&system).await;
    system.send::<JobQueue>(&job.job_message()).await;
    expect_the_log(&mut client).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn duplicate_job_message_is_retried_after_the_lease() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(20, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let mut client = system.watch(&job).await;
    while client.next().await.unwrap()["type"] != "progress_update" {}
    system.send::<JobQueue>(&job.job_message()).await;
    gate.open();
    client.until_job_ends().await;
    // When the second job message arrives, the holder of the lease may have died: it is retried later.
    expect_the_log(&mut client).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn progress_renews_the_connection() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(600, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let soon = system.age_connections().await;
    // A new subscription makes the pipeline read the list of subscribers again.
    let other = system.watch(&job).await;
    wait_until_renewed(&system, soon).await;
    let cancel = json!({ "type": "cancel_job", "job_id": job.id });
    client.send(&cancel).await;
    client.until_job_ends().await;
    client.close().await;
    other.close().await;
    system.finish().await;
}

#[tokio::test]
async fn external_progress_renews_the_connection() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let soon = system.age_connections().await;
    worker.post_events(json!([progress("a", 1)])).await;
    wait_until_renewed(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn posts_of_one_job_renew_all_subscriptions_of_a_connection() {
    let system = System::start().await;
    let (talks, mut worker) = system.create_external("").await;
    let (silent, _) = system.create_external("").await;
    let mut client = system.watch(&talks).await;
    client.ask(&silent.subscribe(), "subscribed").await;
    worker.claim(&["a"]).await;
    let soon = system.age_connections().await;
    worker.post_events(json!([progress("a", 1)])).await;
    wait_until_renewed(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn ping_renews_the_subscriptions_of_its_connection() {
    let system = System::start().await;
    // Nothing is sent to the connection, because no worker claims the job.
    let (job, _) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    let soon = system.age_subscriptions().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;
    wait_until_renewed(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn delivery_renews_the_connection() {
    let system = System::scripted().await;
    let (job, mut client) = ended_and_watched(&system).await;
    let soon = system.age_connections().await;
    system.send::<JobQueue>(&job.job_message()).await;
    expect_the_log(&mut client).await;
    wait_until_renewed(&system, soon).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn pipeline_deletes_a_closed_connection() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(20, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    store_closed_connection(&system, &job, "Gone0Gone0Gone0=").await;
    let mut client = system.watch(&job).await;
    gate.open();
    client.until_job_ends().await;
    client.close().await;
    // Its items are deleted.
    system.finish().await;
}

#[tokio::test]
async fn audience_over_one_chunk_is_served_in_parts() {
    let system = System::scripted().await;
    let (job, mut client) = ended_and_watched(&system).await;
    for some in (0..CHUNK).collect::<Vec<_>>().chunks(20) {
        let ids = some.iter().map(|number| format!("Gone{number:011}="));
        join_all(ids.map(async |id| store_closed_connection(&system, &job, &id).await)).await;
    }
    system.send::<JobQueue>(&job.job_message()).await;
    expect_the_log(&mut client).await;
    client.close().await;
    // The items of the closed connections are deleted.
    system.finish().await;
}
