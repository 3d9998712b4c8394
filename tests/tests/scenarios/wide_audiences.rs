//! Audiences wider than a publisher sends to itself.

use contract::limits::MAX_DIRECT_SUBSCRIBERS;
use end_to_end::{
    Client, System,
    script::{Act, Script},
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

/// More than one invocation of the delivery function serves.
const BEYOND: usize = 120;

#[tokio::test]
async fn everyone_gets_a_durable_message_once_and_the_publisher_queues_it_once() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: Act::slow(1, 600_000),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let url = format!(
        "{}?job_id={}&access_key={}",
        job.websocket_url, job.id, job.key
    );
    let mut clients: Vec<_> = stream::iter(0..MAX_DIRECT_SUBSCRIBERS + BEYOND)
        .map(|_| Client::connect(&url))
        .buffer_unordered(8)
        .map(|client| client.expect("the connection is accepted"))
        .collect()
        .await;

    let cancel = json!({ "type": "cancel_job", "job_id": job.id });
    clients[0].send(&cancel).await;
    for (index, client) in clients.iter_mut().enumerate() {
        if index == 0 {
            // Its message brought it what it was owed since it connected.
            client.expect("subscribed").await;
            client.expect("cancel_requested").await;
        }
        assert_eq!(client.expect("job_cancelled").await["seq"], 1);
    }
    let calls = system.stack.calls();
    let count = |caller: &str, operation: &str| {
        calls.count(|call| call.caller == caller && call.operation == operation)
    };
    let queued = count("pipeline", "sqs:SendMessage");
    assert_eq!(queued, 1, "however many they are");
    let posted = count("delivery", "execute-api:ManageConnections");
    assert_eq!(posted, BEYOND as u64, "once to each of the others");
    for client in clients {
        client.close().await;
    }
    system.finish().await;
}
