//! Connections: storage, time to live, subscriptions, cleanup.

use end_to_end::{
    Client, System, needs,
    script::{Gate, Script, StageScript},
};
use serde_json::json;
use stagecast_contract::tables::{Connections, Subscribers};
use typed_contract::tables::{Table as _, TableSpec};

const CONNECTIONS: &TableSpec = Connections::SPEC;
const SUBSCRIBERS: &TableSpec = Subscribers::SPEC;

#[tokio::test]
async fn websocket_connection_lifecycle_works_correctly() {
    let system = System::start().await;
    let mut client = system.connect().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;

    let items = system.items(CONNECTIONS).await;
    assert_eq!(items.len(), 1);
    let id = items[0]["connection_id"].as_str().unwrap();
    assert!(system.is_connected(id).await);
    assert_eq!(items[0]["job_id"], "-");
    assert_eq!(items[0]["status"], "connected");
    assert!(
        items[0]["correlation_id"]
            .as_str()
            .unwrap()
            .starts_with("conn_")
    );

    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn connection_items_live_for_an_hour_after_the_last_message() {
    let system = System::start().await;
    let mut client = system.connect().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;
    let item = &system.items(CONNECTIONS).await[0];
    let expires_at = item["expires_at"].as_i64().unwrap();
    let active: stagecast_contract::timestamp::Timestamp =
        item["last_activity"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires_at, active.epoch_seconds() + 3600);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_is_associated_with_its_connection_until_disconnect() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(100, 50),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let client = system.watch(&job).await;

    let watched: Vec<_> = system
        .items(CONNECTIONS)
        .await
        .into_iter()
        .filter(|item| item["job_id"] == job.id)
        .collect();
    assert_eq!(watched.len(), 1);
    let subscribers = system.items(SUBSCRIBERS).await;
    assert_eq!(subscribers.len(), 1);
    assert_eq!(subscribers[0]["job_id"], job.id);
    assert_eq!(subscribers[0]["connection_id"], watched[0]["connection_id"]);

    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn broken_connection_leaves_no_items() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(40, 50),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let gone = system.watch(&job).await;
    let mut stays = system.watch(&job).await;
    gate.open();
    gone.drop_connection();
    let messages = stays.until_job_ends().await;
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    system
        .eventually("only the open connection is stored", async |system| {
            system.items(SUBSCRIBERS).await.len() == 1
        })
        .await;
    stays.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_in_the_url_is_subscribed_on_the_first_message() {
    let system = System::scripted().await;
    let job = system.create_scripted(&Script::default()).await;
    let mut client = Client::connect(&job.url()).await.unwrap();
    client.send(&json!({ "type": "ping" })).await;
    let mut kinds = Vec::new();
    while !kinds.contains(&"pong".to_owned()) {
        let message = client.next().await.unwrap();
        kinds.push(message["type"].as_str().unwrap().to_owned());
    }
    let subscribed = kinds.iter().position(|kind| kind == "subscribed");
    assert!(subscribed.is_some(), "{kinds:?}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn subscriptions_of_a_connection_are_limited() {
    needs!(AdjustStack);
    let system = System::scripted_with(|options| {
        let limit = [("MAX_SUBSCRIPTIONS".to_owned(), "2".to_owned())];
        options
            .environment
            .insert("websocket".to_owned(), limit.into());
    })
    .await;
    let script = Script::default();
    let first = system.create_scripted(&script).await;
    let second = system.create_scripted(&script).await;
    let third = system.create_scripted(&script).await;
    let mut client = system.connect().await;
    for job in [&first, &second] {
        client.ask(&job.subscribe(), "subscribed").await;
        skip_the_job(&mut client).await;
    }
    let refused = client.ask(&third.subscribe(), "error").await;
    assert_eq!(refused["code"], "too_many_subscriptions");
    assert_eq!(refused["details"]["max_subscriptions"], 2);

    // A repeated subscribe is not a new subscription.
    client.ask(&second.subscribe(), "subscribed").await;

    let unsubscribe = json!({ "type": "unsubscribe", "job_id": first.id });
    client.ask(&unsubscribe, "unsubscribed").await;
    client.ask(&third.subscribe(), "subscribed").await;
    skip_the_job(&mut client).await;
    client.close().await;
    system.finish().await;
}

/// Reads the durable messages of a job.
async fn skip_the_job(client: &mut Client) {
    client.until_job_ends().await;
}
