//! Jobs of external workers.

use http::Method;
use serde_json::{Value, json};

use crate::{
    run::Scenario,
    worker::{Worker, progress, stage_complete},
};

/// An external worker claims a job, reads its input and completes it with two posts; two subscribers get every
/// message.
pub async fn external_worker_runs_a_job_for_all_subscribers(scenario: &Scenario) {
    let (job, mut worker) = scenario.create_external().await;
    let mut first = scenario.system.watch(&job).await;
    let mut second = scenario.system.watch(&job).await;
    claims_and_reads_the_input(scenario, &mut worker).await;

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
    assert_messages(&seen);

    let results = format!("{}/results", job.path());
    let http = &scenario.system.http;
    let answer = http.with_key(Method::GET, &results, &job.key).await;
    assert_eq!(answer.json(), json!({ "words": 3 }));
    // A worker key runs the job and cannot read it.
    let refused = http.with_key(Method::GET, &job.path(), &worker.key).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    first.close().await;
    second.close().await;
}

async fn claims_and_reads_the_input(scenario: &Scenario, worker: &mut Worker) {
    let product = &scenario.product;
    let claimed = worker.claim(&["split", "count"]).await;
    assert_eq!(claimed["content_type"], product.media_type);
    assert_eq!(claimed["finished"], json!([]));
    let input = worker.request(Method::GET, "input", "").await;
    assert_eq!(input.status, 200, "{input:?}");
    assert_eq!(input.headers["content-type"], product.media_type);
    assert!(input.body == product.input, "the input is byte for byte");
}

fn assert_messages(seen: &[Value]) {
    let facts: Vec<_> = seen
        .iter()
        .map(|message| (message["type"].as_str(), message["seq"].as_u64()))
        .collect();
    let expected = [
        ("progress_update", 0),
        ("progress_update", 0),
        ("stage_complete", 1),
        ("progress_update", 1),
        ("stage_complete", 2),
        ("job_complete", 3),
    ];
    let expected = expected.map(|(kind, seq)| (Some(kind), Some(seq)));
    assert_eq!(facts, expected);
    let overall: Vec<_> = seen
        .iter()
        .filter_map(|message| message["overall_progress"].as_u64())
        .collect();
    assert_eq!(overall, [25, 50, 50]);
    assert_eq!(seen[2]["results"], json!(["one", "two", "three"]));
    assert_eq!(seen[5]["results"], json!({ "words": 3 }));
}
