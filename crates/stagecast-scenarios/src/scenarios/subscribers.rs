//! Who gets which messages of a job.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    client::Client,
    log,
    run::Scenario,
    system::Job,
    worker::{progress, stage_complete},
};

/// A client that subscribes after the job has ended gets the whole log.
pub async fn late_subscriber_gets_the_log_from_the_beginning(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut first = scenario.system.watch(&job).await;
    let messages = log::read(&mut first, &job.id, 0).await;
    first.close().await;

    let mut late = scenario.system.connect().await;
    let subscribed = late.ask(&job.subscribe(), "subscribed").await;
    assert_eq!(subscribed["status"]["status"], "completed");
    assert_eq!(subscribed["seq"], messages.len());
    assert_eq!(subscribed["recovered"], true);
    expect_exactly(&mut late, &messages).await;

    let beyond = subscribe_after(&job, messages.len() as u64 + 1);
    let subscribed = late.ask(&beyond, "subscribed").await;
    assert_eq!(subscribed["recovered"], false, "the log has no such seq");
    late.close().await;
}

/// A client that reconnects with its last `seq` gets the durable messages after it, while the job runs and
/// after it has ended.
pub async fn returning_subscriber_gets_every_durable_message_once_and_in_order(
    scenario: &Scenario,
) {
    returns_to_a_running_job(scenario).await;
    let job = scenario.create().await;
    let mut client = scenario.system.watch(&job).await;
    let messages = log::read(&mut client, &job.id, 0).await;
    client.close().await;
    for after in 0..messages.len() {
        let mut client = scenario.system.connect().await;
        let subscribe = subscribe_after(&job, after as u64);
        let subscribed = client.ask(&subscribe, "subscribed").await;
        assert_eq!(subscribed["recovered"], true, "after {after}");
        expect_exactly(&mut client, &messages[after..]).await;
        client.close().await;
    }
}

/// The job has an external worker, so that it is certain to run while the client is away.
async fn returns_to_a_running_job(scenario: &Scenario) {
    let (job, mut worker) = scenario.create_external().await;
    worker.claim(&["first", "second", "third"]).await;
    let mut client = scenario.system.watch(&job).await;
    worker
        .post_events(json!([stage_complete("first", 1)]))
        .await;
    assert_eq!(log::seq(&client.expect("stage_complete").await), 1);
    client.drop_connection();
    worker
        .post_events(json!([stage_complete("second", 2)]))
        .await;

    let mut client = scenario.system.connect().await;
    let subscribed = client.ask(&subscribe_after(&job, 1), "subscribed").await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(subscribed["status"]["status"], "running");
    assert_eq!(log::seq(&client.expect("stage_complete").await), 2);
    let end = json!({ "type": "job_complete" });
    worker
        .post_events(json!([stage_complete("third", 3), end]))
        .await;
    let rest = log::read(&mut client, &job.id, 2).await;
    let results: Vec<_> = rest.iter().map(|message| &message["results"]).collect();
    assert_eq!(results, [3, 3]);
    client.close().await;
}

/// Two clients of a job get equal durable messages.
pub async fn two_subscribers_get_the_same_durable_messages(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut first = scenario.system.watch(&job).await;
    let mut second = scenario.system.watch(&job).await;
    let messages = log::read(&mut first, &job.id, 0).await;
    assert_eq!(log::read(&mut second, &job.id, 0).await, messages);
    first.close().await;
    second.close().await;
}

/// Requests in a loop get the durable messages of a subscriber, until the service asks for no further request.
pub async fn watcher_over_http_gets_the_durable_messages_of_a_subscriber(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut client = scenario.system.watch(&job).await;
    let http = &scenario.system.http;
    let (mut events, mut after) = (Vec::new(), json!(0));
    let watching = async {
        loop {
            let path = format!("{}/events?after_seq={after}", job.path());
            let answer = http.with_key(Method::GET, &path, &job.key).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let page = answer.json();
            assert_eq!(page["recovered"], true, "{page}");
            events.extend(page["events"].as_array().cloned().unwrap_or_default());
            assert_eq!(page["snapshot"]["seq"], events.len(), "{page}");
            after = page["next_after_seq"].clone();
            if page["retry_after"].is_null() {
                return events;
            }
            // The service would have asked for a longer time.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let (events, messages) = tokio::join!(watching, log::read(&mut client, &job.id, 0));
    assert_eq!(events, messages);
    client.close().await;
}

/// After the reply `unsubscribed`, nothing about the job arrives; other subscribers get all of it.
pub async fn unsubscribed_client_gets_no_more_messages(scenario: &Scenario) {
    let (job, mut worker) = scenario.create_external().await;
    let mut leaves = scenario.system.watch(&job).await;
    let mut stays = scenario.system.watch(&job).await;
    worker.claim(&["first"]).await;
    let unsubscribe = json!({ "type": "unsubscribe", "job_id": job.id });
    leaves.ask(&unsubscribe, "unsubscribed").await;
    let end = json!({ "type": "job_complete" });
    // A post returns after its messages are sent.
    worker
        .post_events(json!([
            progress("first", 50),
            stage_complete("first", 1),
            end
        ]))
        .await;
    assert_eq!(log::read(&mut stays, &job.id, 0).await.len(), 2);
    expect_exactly(&mut leaves, &[]).await;
    leaves.close().await;
    stays.close().await;
}

fn subscribe_after(job: &Job, after: u64) -> Value {
    let mut subscribe = job.subscribe();
    subscribe["after_seq"] = json!(after);
    subscribe
}

/// The client gets these messages next, and then none before the reply to a `ping`.
async fn expect_exactly(client: &mut Client, messages: &[Value]) {
    for message in messages {
        let next = client.next().await.expect("a message");
        assert_eq!(next, *message);
    }
    client.send(&json!({ "type": "ping" })).await;
    let next = client.next().await.expect("a message");
    assert_eq!(next["type"], "pong", "a message too many: {next}");
}
