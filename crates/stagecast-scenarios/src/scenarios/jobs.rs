//! A job of the product's pipeline, from its creation to its results.

use http::Method;
use serde_json::{Value, json};

use crate::{log, run::Scenario};

/// A subscriber gets each stage's end and the results of the last stage; `GET …/results` returns the same
/// results.
pub async fn job_completes_with_results(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut client = scenario.system.connect().await;
    let subscribed = client.ask(&job.subscribe(), "subscribed").await;
    assert_eq!(subscribed["job_id"], job.id);
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(subscribed["status"]["job_id"], job.id);

    let messages = log::read(&mut client, &job.id, 0).await;
    let [stages @ .., complete] = &messages[..] else {
        panic!("the log has a terminal message");
    };
    assert_eq!(complete["type"], "job_complete");
    let last = stages.last().expect("a pipeline has a stage");
    assert_eq!(complete["results"], last["results"]);

    let path = format!("{}/results", job.path());
    let http = &scenario.system.http;
    let answer = http.with_key(Method::GET, &path, &job.key).await;
    if complete["results_url"].is_string() {
        // Results that do not fit into a message. Larger ones are fetched from a presigned URL.
        assert!([200, 307].contains(&answer.status.as_u16()), "{answer:?}");
    } else {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json(), complete["results"]);
    }
    client.close().await;
}

/// After the terminal message, the snapshot over HTTP and the reply to `request_status` have its results and
/// its `seq`.
pub async fn snapshot_over_http_equals_the_last_message(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut client = scenario.system.watch(&job).await;
    let messages = log::read(&mut client, &job.id, 0).await;
    let last = messages.last().expect("a terminal message");

    let http = &scenario.system.http;
    let answer = http.with_key(Method::GET, &job.path(), &job.key).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let request_id = answer.headers["x-request-id"].to_str();
    assert!(
        request_id.is_ok_and(|id| id.starts_with("req_")),
        "{answer:?}"
    );
    let snapshot = answer.json();
    let request = json!({ "type": "request_status", "job_id": job.id });
    let status = client.ask(&request, "job_status").await;
    for state in [&snapshot, &status] {
        assert_eq!(state["status"], "completed", "{state}");
        assert_eq!(state["overall_progress"], 100, "{state}");
        for field in ["job_id", "seq", "results", "results_url", "correlation_id"] {
            let expected: &Value = &last[field];
            assert_eq!(&state[field], expected, "{field}: {state}");
        }
    }
    client.close().await;
}
