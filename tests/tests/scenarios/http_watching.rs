//! Watching a job over HTTP alone.

use std::{collections::BTreeMap, time::Duration};

use end_to_end::{
    Client, Http, Job, System,
    worker::{progress, stage_complete},
};
use http::Method;
use raw_json::RawJson;
use serde::Deserialize;
use serde_json::{Value, json};

/// The interval of these tests, instead of the one that the service asks for.
const INTERVAL: Duration = Duration::from_millis(20);

#[derive(Deserialize)]
struct Page {
    recovered: bool,
    events: Vec<RawJson>,
    next_after_seq: u64,
    retry_after: Option<u32>,
    snapshot: Value,
}

/// Requests events until the service asks for no further request. Returns the durable messages byte for byte,
/// and the progress that the snapshots had.
async fn watch_over_http(http: Http, job: Job) -> (Vec<String>, Vec<u64>) {
    let (mut messages, mut percentages, mut after) = (Vec::new(), Vec::new(), 0);
    loop {
        let path = format!("{}/events?after_seq={after}", job.path());
        let answer = http.with_key(Method::GET, &path, &job.key).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Page = serde_json::from_slice(&answer.body).expect("a page of events");
        assert!(page.recovered, "{answer:?}");
        messages.extend(page.events.iter().map(|event| event.get().to_owned()));
        percentages.extend(page.snapshot["overall_progress"].as_u64());
        // The snapshot is not older than the events.
        assert_eq!(page.snapshot["seq"], messages.len());
        after = page.next_after_seq;
        let header = answer.headers.get("retry-after");
        let header = header.map(|value| value.to_str().expect("a number").to_owned());
        assert_eq!(header, page.retry_after.map(|seconds| seconds.to_string()));
        if page.retry_after.is_none() {
            return (messages, percentages);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The durable messages that a subscriber receives, byte for byte, each once and in order, until the job ends.
async fn watch_over_websocket(mut client: Client) -> Vec<String> {
    let mut messages = BTreeMap::new();
    loop {
        let text = client.next_text().await.expect("a message");
        let message: Value = serde_json::from_str(&text).expect("messages are JSON");
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        if kind == "progress_update" {
            continue;
        }
        // A takeover sends the log again.
        messages.insert(message["seq"].as_u64(), text);
        if kind == "job_complete" {
            client.close().await;
            return messages.into_values().collect();
        }
    }
}

#[tokio::test]
async fn watcher_over_http_gets_what_a_subscriber_gets_across_a_takeover() {
    let system = System::start().await;
    let (job, mut first) = system.create_external("").await;
    let mut second = first.clone();
    let client = system.watch(&job).await;
    let over_websocket = tokio::spawn(watch_over_websocket(client));
    let over_http = tokio::spawn(watch_over_http(system.http.clone(), job.clone()));

    first.claim(&["a", "b", "c"]).await;
    first.post_events(json!([progress("a", 50)])).await;
    first
        .post_events(json!([stage_complete("a", json!({ "é": [1.0, "\"\\"] }))]))
        .await;
    tokio::time::sleep(3 * INTERVAL).await;
    system.end_lease(&job).await;
    second.claim(&["a", "b", "c"]).await;
    // The first worker has not noticed.
    let late = json!([stage_complete("b", "late")]);
    first.post_rejected(409, late).await;
    second.post_events(json!([progress("b", 50)])).await;
    tokio::time::sleep(3 * INTERVAL).await;
    // Too large for a message.
    let large = "x".repeat(100_000);
    second
        .post_events(json!([stage_complete("b", large.as_str())]))
        .await;
    second
        .post_events(json!([stage_complete("c", 3), { "type": "job_complete" }]))
        .await;

    let expected = over_websocket.await.expect("a subscriber");
    let (messages, percentages) = over_http.await.expect("a watcher");
    assert_eq!(messages, expected);
    assert_eq!(messages.len(), 4);
    assert!(percentages.is_sorted(), "{percentages:?}");
    assert_eq!(percentages.last(), Some(&100));
    assert!(percentages.iter().any(|percent| (1..100).contains(percent)));

    // A watcher that comes later gets the same.
    let (late, _) = watch_over_http(system.http.clone(), job.clone()).await;
    assert_eq!(late, expected);
    system.finish().await;
}
