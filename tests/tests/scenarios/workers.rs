//! Jobs run by external workers over the HTTP API.

mod bad_posts;
mod ends;
mod passing_on;
mod repeats;

use end_to_end::{
    System, needs,
    worker::{progress, stage_complete},
};
use http::Method;
use local::Fault;
use serde_json::{Value, json};

#[tokio::test]
async fn external_worker_runs_a_job_for_all_subscribers() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("one two three").await;
    let mut first = system.watch(&job).await;
    let mut second = system.watch(&job).await;

    let claimed = worker.claim(&["split", "count"]).await;
    assert_eq!(claimed["content_type"], "text/plain");
    assert_eq!(claimed["finished"], json!([]));
    let input = worker.request(Method::GET, "input", "").await;
    assert_eq!(input.status, 200);
    assert_eq!(input.headers["content-type"], "text/plain");
    assert_eq!(input.body, "one two three");

    worker.post_events(json!([progress("split", 50)])).await;
    // A post returns after its messages are sent, so the clients get each update.
    let accepted = worker
        .post_events(json!([
            progress("split", 100),
            stage_complete("split", json!(["one", "two", "three"])),
            progress("count", 0),
        ]))
        .await;
    assert_eq!(
        (&accepted["seq"], &accepted["status"]),
        (&json!(1), &json!("running"))
    );
    assert_eq!(accepted["cancel_requested"], false);
    let accepted = worker
        .post_events(json!([
            stage_complete("count", json!({ "words": 3 })),
            { "type": "job_complete" },
        ]))
        .await;
    assert_eq!(
        (&accepted["seq"], &accepted["status"]),
        (&json!(3), &json!("completed"))
    );

    let seen = first.until_job_ends().await;
    assert_eq!(seen, second.until_job_ends().await);
    let facts: Vec<_> = seen
        .iter()
        .map(|message| (kind(message), message["seq"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("progress_update", 0),
        ("progress_update", 0),
        ("stage_complete", 1),
        ("progress_update", 1),
        ("stage_complete", 2),
        ("job_complete", 3),
    ];
    assert_eq!(facts, expected);
    let overall: Vec<_> = seen
        .iter()
        .filter_map(|message| message["overall_progress"].as_u64())
        .collect();
    assert_eq!(overall, [25, 50, 50]);
    assert_eq!(seen[2]["results"], json!(["one", "two", "three"]));
    assert_eq!(seen[5]["results"], json!({ "words": 3 }));

    let results = format!("{}/results", job.path());
    let results = system.http.with_key(Method::GET, &results, &job.key).await;
    assert_eq!(results.json(), json!({ "words": 3 }));
    first.close().await;
    second.close().await;
    system.finish().await;
}

#[tokio::test]
async fn progress_never_goes_back_and_posts_send_only_the_latest() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    worker
        .post_events(json!([
            progress("a", 10),
            progress("a", 60),
            progress("a", 20)
        ]))
        .await;
    worker.post_events(json!([progress("a", 30)])).await;
    for _ in 0..2 {
        let update = client.next().await.expect("a message");
        assert_eq!(
            (&update["progress"], &update["overall_progress"]),
            (&json!(60), &json!(60))
        );
    }
    let known = json!({
        "type": "progress_update", "stage": "a", "progress": 70, "message": "almost",
        "overall_progress": 90, "estimated_seconds_remaining": 7,
    });
    worker.post_events(json!([known])).await;
    let update = client.next().await.expect("a message");
    assert_eq!(update["overall_progress"], 90);
    assert_eq!(update["estimated_seconds_remaining"], 7);
    assert_eq!(update["message"], "almost");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn large_results_are_stored_in_the_bucket() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let large = "x".repeat(100_000);
    worker
        .post_events(json!([stage_complete("a", large.as_str())]))
        .await;
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    let seen = client.until_job_ends().await;
    for message in &seen {
        assert_eq!(message["results"], Value::Null);
        let url = message["results_url"].as_str().expect("an address");
        let results = system.http.with_key(Method::GET, url, &job.key).await;
        assert_eq!(results.json(), large.as_str());
    }
    let results = format!("{}/results", job.path());
    let results = system.http.with_key(Method::GET, &results, &job.key).await;
    assert_eq!(results.json(), large.as_str());
    client.close().await;
    system.finish().await;
}

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
async fn unreachable_client_does_not_block_the_worker() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut slow = system.watch(&job).await;
    let slow_id = system.local().connection_ids().pop().unwrap();
    let mut fast = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    system.local().faults().on_post(move |post| {
        (post.caller == "worker" && post.connection_id == slow_id).then_some(Fault::Hang)
    });
    worker.post_events(json!([stage_complete("a", 1)])).await;
    worker
        .post_events(json!([stage_complete("b", 2), { "type": "job_complete" }]))
        .await;
    let seqs = |messages: &[Value]| -> Vec<_> {
        messages
            .iter()
            .map(|it| it["seq"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(seqs(&fast.until_job_ends().await), [1, 2, 3]);
    // The delivery function may repeat messages: deduplicate them by `seq`.
    let mut heard = seqs(&slow.until_job_ends().await);
    heard.dedup();
    assert_eq!(heard.last(), Some(&3));
    for seq in 1..=3 {
        assert!(heard.contains(&seq), "{heard:?}");
    }
    slow.close().await;
    fast.close().await;
    system.finish().await;
}

fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or_default()
}
