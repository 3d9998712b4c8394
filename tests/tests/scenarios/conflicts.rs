//! Transaction conflicts in DynamoDB are retried, so that clients do not notice them.

use std::sync::atomic::{AtomicUsize, Ordering};

use end_to_end::{Client, System, needs};
use local_aws::{Fault, Times};
use serde_json::json;

#[tokio::test]
async fn subscribe_succeeds_despite_transaction_conflicts() {
    needs!(InjectFaults, CountCalls);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    // Two of three calls fail with a conflict.
    let turn = AtomicUsize::new(0);
    system.local().faults().on_call(move |call| {
        // A new connection cannot have a conflict yet.
        let is_ours = call.caller == "websocket"
            && call.operation.starts_with("dynamodb:")
            && call.operation != "dynamodb:PutItem";
        (is_ours && turn.fetch_add(1, Ordering::Relaxed) % 3 != 2).then_some(Fault::Conflict)
    });
    let mut by_message = system.watch(&job).await;
    let mut by_url = Client::connect(&job.url()).await.expect("a connection");
    let ping = json!({ "type": "ping" });
    by_url.ask(&ping, "subscribed").await;
    by_url.expect("pong").await;
    by_message.ask(&ping, "pong").await;
    worker.claim(&["a"]).await;
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    for client in [&mut by_message, &mut by_url] {
        client.expect("job_complete").await;
    }
    let unsubscribe = json!({ "type": "unsubscribe", "job_id": job.id });
    by_message.ask(&unsubscribe, "unsubscribed").await;
    let calls = system.local().calls();
    for operation in [
        "dynamodb:TransactGetItems",
        "dynamodb:TransactWriteItems",
        "dynamodb:UpdateItem",
    ] {
        let made = calls.count(|call| call.caller == "websocket" && call.operation == operation);
        assert!(made > 1, "{operation}: {:#?}", calls.all());
    }
    by_message.close().await;
    by_url.close().await;
    system.finish().await;
}

#[tokio::test]
async fn failed_handshake_leaves_no_items() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, _) = system.create_external("").await;
    for step in [
        "dynamodb:TransactGetItems",
        "dynamodb:TransactWriteItems",
        "dynamodb:UpdateItem",
    ] {
        // As often as the SDK tries.
        let away = Times::new(3);
        system.local().faults().on_call(move |call| {
            let is_step = call.caller == "websocket" && call.operation == step;
            (is_step && away.take()).then_some(Fault::Outage)
        });
        let refused = Client::connect(&job.url()).await.expect_err(step);
        assert_eq!(refused, 500, "{step}");
        system.wait_until_clean(step).await;
    }
    system.finish().await;
}
