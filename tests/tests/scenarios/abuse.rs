//! Abuse: requests in a loop must not cause much more traffic than they are.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use end_to_end::{Client, Job, System, needs, worker::stage_complete};
use local_aws::{Call, Fault};
use serde_json::{Value, json};
use stagecast_contract::tables::Connections;
use typed_contract::tables::Table as _;

/// The stages of the job whose log is requested.
const STAGES: usize = 50;
/// The length of the log: the end of each stage, and the end of the job.
const LOG: u64 = STAGES as u64 + 1;
/// How often a request is repeated.
const REPEATS: u64 = 10;

/// An external job with the longest possible log.
async fn job_with_a_long_log(system: &System) -> Job {
    let (job, mut worker) = system.create_external("").await;
    let stages: Vec<String> = (0..STAGES)
        .map(|number| format!("stage-{number}"))
        .collect();
    let names: Vec<&str> = stages.iter().map(String::as_str).collect();
    worker.claim(&names).await;
    let mut events: Vec<Value> = names.iter().map(|name| stage_complete(name, 1)).collect();
    events.push(json!({ "type": "job_complete" }));
    for post in events.chunks(10) {
        worker.post_events(json!(post)).await;
    }
    job
}

fn posts_by(system: &System, function: &str) -> u64 {
    let is_post =
        |call: &Call| call.caller == function && call.operation == "execute-api:ManageConnections";
    system.local().calls().count(is_post)
}

async fn subscribe(client: &mut Client, job: &Job) -> Value {
    client.send(&job.subscribe()).await;
    client.next().await.expect("a reply")
}

#[tokio::test]
async fn repeated_subscribe_sends_no_duplicate_messages() {
    needs!(CountCalls);
    let system = System::start().await;
    let job = job_with_a_long_log(&system).await;
    let mut client = system.watch(&job).await;
    assert_eq!(client.until_job_ends().await.len() as u64, LOG);
    // The connection's item records the replay only after it was sent.
    client.ask(&json!({ "type": "ping" }), "pong").await;
    system
        .eventually("the replay is recorded", async |system| {
            let items = system.items(Connections::SPEC).await;
            items.iter().any(|item| item["replayed"].is_object())
        })
        .await;

    let calls = system.local().calls();
    calls.clear();
    for after in 0..REPEATS {
        let mut again = job.subscribe();
        if after > 0 {
            again["after_seq"] = json!(after);
        }
        let subscribed = client.ask(&again, "subscribed").await;
        assert_eq!(subscribed["recovered"], true, "{subscribed}");
        assert_eq!(subscribed["seq"], LOG);
    }
    assert_eq!(
        posts_by(&system, "websocket"),
        REPEATS,
        "{:#?}",
        calls.all()
    );
    let writes_the_job = |call: &Call| call.operation == "dynamodb:TransactWriteItems";
    assert_eq!(
        calls.count(writes_the_job),
        0,
        "the job's item is not written"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn replays_of_a_connection_are_limited_with_an_error() {
    needs!(CountCalls);
    let system = System::start().await;
    let job = job_with_a_long_log(&system).await;
    let mut client = system.connect().await;
    let calls = system.local().calls();
    calls.clear();
    let unsubscribe = json!({ "type": "unsubscribe", "job_id": job.id });
    let mut replays = 0;
    let refused = loop {
        let reply = subscribe(&mut client, &job).await;
        if reply["type"] == "error" {
            break reply;
        }
        client.until_job_ends().await;
        client.ask(&unsubscribe, "unsubscribed").await;
        replays += 1;
        assert!(replays < 100, "there is no limit");
    };
    assert_eq!(refused["code"], "replay_limited", "{refused}");
    let retry_after = refused["details"]["retry_after_seconds"].as_u64();
    assert!(
        retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)),
        "{refused}"
    );
    // The limit is per connection, not per job.
    let mut other = system.watch(&job).await;
    other.until_job_ends().await;
    client.ask(&json!({ "type": "ping" }), "pong").await;
    for client in [client, other] {
        client.close().await;
    }
    system.finish().await;
}

#[tokio::test]
async fn unsubscribe_without_a_subscription_does_not_write() {
    needs!(CountCalls);
    let system = System::start().await;
    let (job, _) = system.create_external("").await;
    let mut client = system.connect().await;
    let calls = system.local().calls();
    calls.clear();
    let unsubscribe = json!({ "type": "unsubscribe", "job_id": job.id });
    client.ask(&unsubscribe, "unsubscribed").await;
    let transactions = |call: &Call| call.operation == "dynamodb:TransactWriteItems";
    assert_eq!(calls.count(transactions), 0, "{:#?}", calls.all());
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn stalled_client_gets_each_message_at_most_twice() {
    needs!(InjectFaults, AdjustStack);
    let system = System::start_with(|options| {
        // One process, so that all posts share the state of the deferred fan-out.
        options.concurrency = 1;
        let soon = Duration::from_secs(2);
        let timeouts = &mut options.visibility_timeouts;
        timeouts.insert("deliveries".to_owned(), soon);
    })
    .await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    let stages = ["a", "b", "c", "d", "e", "f"];
    worker.claim(&stages).await;
    // API Gateway's buffer for the client is full.
    let reads = Arc::new(AtomicBool::new(false));
    let again = Arc::clone(&reads);
    system.local().faults().on_post(move |_| {
        let is_full = !again.load(Ordering::Relaxed);
        is_full.then_some(Fault::Throttle)
    });
    for stage in stages {
        worker.post_events(json!([stage_complete(stage, 1)])).await;
    }
    reads.store(true, Ordering::Relaxed);
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;

    let last = stages.len() as u64 + 1;
    let mut times = BTreeMap::new();
    while times.len() as u64 != last {
        let message = client.next().await.expect("a message");
        *times.entry(message["seq"].as_u64()).or_insert(0) += 1;
    }
    system
        .eventually("everything is delivered", async |system| {
            // The watchdog's task for the job may be on the same queue.
            let messages = system.local().queue_messages("deliveries");
            let mut messages = messages.unwrap_or_default().into_iter();
            messages.all(|message| message.contains("watchdog"))
        })
        .await;
    client.send(&json!({ "type": "ping" })).await;
    loop {
        let message = client.next().await.expect("a message");
        if message["type"] == "pong" {
            break;
        }
        *times.entry(message["seq"].as_u64()).or_insert(0) += 1;
    }
    assert!(times.values().all(|times| *times <= 2), "{times:?}");
    client.close().await;
    system.finish().await;
}
