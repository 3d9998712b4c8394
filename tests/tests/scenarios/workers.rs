//! Jobs run by external workers over the HTTP API.

use std::time::Duration;

use end_to_end::{
    Response, System,
    worker::{progress, stage_complete},
};
use http::Method;
use serde_json::{Value, json};
use stagecast_contract::tables::JobEvents;
use typed_contract::tables::Table as _;

#[tokio::test]
async fn next_worker_gets_large_results_of_the_previous_one() {
    let system = System::start().await;
    let (job, mut first) = system.create_external("").await;
    let mut second = first.clone();
    first.claim(&["a", "b"]).await;
    system.end_lease(&job).await;
    second.claim(&["a", "b"]).await;
    let of_the_second = "2".repeat(100_000);
    second
        .post_events(json!([stage_complete("a", of_the_second.as_str())]))
        .await;
    // A worker that has lost the job may not have noticed.
    let of_the_first = "1".repeat(100_000);
    let late = json!([stage_complete("a", of_the_first)]);
    assert_eq!(first.post_rejected(409, late).await["code"], "lease_lost");

    system.end_lease(&job).await;
    let claimed = second.claim(&["a", "b"]).await;
    let finished = &claimed["finished"][0];
    assert_eq!(finished["results"], Value::Null);
    let url = finished["results_url"].as_str().expect("an address");
    let results = system.http.with_key(Method::GET, url, &second.key).await;
    assert_eq!(results.json(), of_the_second.as_str());
    // The key is valid only for that URL.
    let all = format!("{}/results", job.path());
    let refused = system.http.with_key(Method::GET, &all, &second.key).await;
    assert_eq!(refused.status, 403);

    // The job's results are those of the last stage, which need not be the last one posted.
    second.post_events(json!([progress("b", 50)])).await;
    second
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    let results = system.http.with_key(Method::GET, &all, &job.key).await;
    assert_eq!(results.json(), of_the_second.as_str());
    system.finish().await;
}

#[tokio::test]
async fn repeated_post_sends_the_log_again() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let post = worker.body(&json!([stage_complete("a", 1)]));
    // After a lost response, it is unknown how far the attempt got, so the log is sent again.
    for _ in 0..2 {
        assert_eq!(worker.post(&post).await.status, 200);
        assert_eq!(client.expect("stage_complete").await["seq"], 1);
    }
    client.close().await;
    system.finish().await;
}

/// Whether a response is wrong for a valid post of the worker that holds the job.
fn is_wrong(answer: &Response) -> bool {
    let is_retry = answer.status == 503 && answer.json()["error"]["code"] == "conflict_retry";
    answer.status != 200 && !is_retry
}

#[tokio::test]
async fn post_repeated_after_a_broken_connection_is_accepted() {
    let system = System::start().await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    let names: Vec<String> = (0..10).map(|number| format!("stage_{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for stages in [&names[..3], &names[..]] {
        for round in 0..20 {
            let (job, mut worker) = system.create_external("").await;
            worker.claim(stages).await;
            let mut first = 0;
            for part in stages.chunks(9) {
                let is_last = first + part.len() == stages.len();
                first += part.len();
                let mut events: Vec<_> = part.iter().map(|it| stage_complete(it, 1)).collect();
                events.extend(is_last.then(|| json!({ "type": "job_complete" })));
                let post = worker.body(&events.into());
                let breaks = Duration::from_millis(2 + 3 * round);
                // The connection breaks while the request is in flight or being served.
                let broken = tokio::time::timeout(breaks, worker.post(&post)).await;
                drop(broken);
                let answer = worker.post(&post).await;
                tried += 1;
                if is_wrong(&answer) {
                    wrong.push(answer.json());
                }
                worker.seq = first as u64;
            }
            let mut log = system.items(JobEvents::SPEC).await;
            log.retain(|event| event["job_id"] == job.id);
            assert_eq!(log.len(), stages.len() + 1);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong: {wrong:#?}",
        wrong.len()
    );
    system.finish().await;
}
