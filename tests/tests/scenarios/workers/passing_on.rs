//! Results are returned byte for byte at any size, and cosmetic faults of a post do not reject it.

use end_to_end::{
    Client, Job, System, needs,
    worker::{Worker, progress, stage_complete},
};
use http::Method;
use serde_json::{Value, json};

/// JSON that does not survive parsing and serializing.
const RESULTS: &str = r#"{ "z": [12.917521550408111, 6.7137459245666965e-12, -0, 1e400],
  "big": 123456789012345678901234567890, "a": 1.0, "a": "caf\u00e9 \ud800 \/" }"#;

fn stage_complete_text(worker: &Worker, stage: &str, results: &str) -> String {
    format!(
        r#"{{"epoch":{},"after_seq":{},"events":[{{"results":{results},"stage":"{stage}","type":"stage_complete"}}]}}"#,
        worker.epoch, worker.seq
    )
}

async fn post(worker: &mut Worker, body: &str) {
    let answer = worker
        .request(Method::POST, "events", body.to_owned())
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    worker.seq = answer.json()["seq"].as_u64().expect("a seq");
}

async fn message_of(client: &mut Client, kind: &str) -> String {
    loop {
        let text = client.next_text().await.expect("a message");
        if text.contains(&format!(r#""type":"{kind}""#)) {
            return text;
        }
    }
}

async fn results(system: &System, job: &Job, query: &str) -> (u16, String) {
    let path = format!("{}/results{query}", job.path());
    let answer = system.http.with_key(Method::GET, &path, &job.key).await;
    (answer.status.as_u16(), text(&answer.body))
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn results_are_returned_byte_for_byte_everywhere() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["small", "large", "last"]).await;
    let carried = format!(r#""results":{RESULTS}"#);

    let small = stage_complete_text(&worker, "small", RESULTS);
    post(&mut worker, &small).await;
    let message = message_of(&mut client, "stage_complete").await;
    assert!(message.contains(&carried), "{message}");
    // A body that differs only in whitespace is a repeat too.
    post(&mut worker, &small).await;
    let again = small.replace(r#"{ "z": ["#, r#"{"z":["#);
    assert_ne!(again, small);
    post(&mut worker, &again).await;
    let changed = small.replace("550408111", "550408113");
    let refused = worker.request(Method::POST, "events", changed).await;
    assert_eq!(refused.json()["error"]["code"], "seq_conflict");
    assert_eq!(
        results(&system, &job, "?stage=small").await,
        (200, RESULTS.to_owned())
    );

    let large = format!("[{RESULTS},{}]", "0.1, ".repeat(10_000) + "-0.0");
    let body = stage_complete_text(&worker, "large", &large);
    post(&mut worker, &body).await;
    post(&mut worker, &body).await;
    assert_eq!(results(&system, &job, "?stage=large").await, (200, large));

    let claim = json!({ "stages": ["small", "large", "last"] });
    system.end_lease(&job).await;
    let answer = worker
        .request(Method::POST, "claim", claim.to_string())
        .await;
    let claimed = text(&answer.body);
    assert!(claimed.contains(&carried), "{claimed}");
    worker.epoch += 1;

    let body = stage_complete_text(&worker, "last", RESULTS);
    post(&mut worker, &body).await;
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    let message = message_of(&mut client, "job_complete").await;
    assert!(message.contains(&carried), "{message}");
    assert_eq!(results(&system, &job, "").await, (200, RESULTS.to_owned()));
    let snapshot = system
        .http
        .with_key(Method::GET, &job.path(), &job.key)
        .await;
    let snapshot = text(&snapshot.body);
    assert!(snapshot.contains(&carried), "{snapshot}");
    client.send(&job.subscribe()).await;
    let subscribed = message_of(&mut client, "subscribed").await;
    assert!(subscribed.contains(&carried), "{subscribed}");
    client.close().await;
    system.finish().await;
}

/// A JSON string of 3.9 MB, which doubles when it is embedded in another JSON string.
fn quotes() -> String {
    format!("\"{}\"", r#"\""#.repeat(1_950_000))
}

#[tokio::test]
async fn body_too_large_as_a_lambda_event_is_rejected() {
    needs!(LimitEvents);
    let system = System::start().await;
    let (_, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    let body = stage_complete_text(&worker, "a", &quotes());
    // A JSON body is a string in the function's event. API Gateway rejects it itself.
    let refused = worker.request(Method::POST, "events", body).await;
    assert_eq!(refused.status, 413);
    system.finish().await;
}

#[tokio::test]
async fn results_too_large_as_a_lambda_response_redirect() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    let quotes = quotes();
    let body = stage_complete_text(&worker, "a", &quotes);
    let authorization = format!("Bearer {}", worker.key);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/octet-stream"),
    ];
    let path = format!("{}/events", job.path());
    let answer = system
        .http
        .request(Method::POST, &path, &headers, body)
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    worker.seq = 1;
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    let path = format!("{}/results", job.path());
    let redirect = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(redirect.status, 307);
    let address = redirect.headers["location"].to_str().expect("an address");
    let results = system.http.request(Method::GET, address, &[], "").await;
    assert!(results.status == 200 && results.body == quotes);
    system.finish().await;
}

#[tokio::test]
async fn claim_after_a_hundred_large_stages_succeeds() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let quotes = "\"".repeat(16_000);
    for half in 0..2 {
        let stages: Vec<_> = (0..50)
            .map(|index| format!("stage_{}", half * 50 + index))
            .collect();
        let names: Vec<&str> = stages.iter().map(String::as_str).collect();
        worker.claim(&names).await;
        for stages in names.chunks(10) {
            let events = stages
                .iter()
                .map(|stage| stage_complete(stage, quotes.as_str()));
            worker.post_events(events.collect()).await;
        }
        system.end_lease(&job).await;
    }
    let claimed = worker.claim(&["last"]).await;
    let finished = claimed["finished"].as_array().expect("the stages");
    assert_eq!(finished.len(), 100);
    assert_eq!(finished[99]["results"], quotes.as_str());
    assert_eq!(finished[0]["results"], Value::Null);
    let url = finished[0]["results_url"].as_str().expect("an address");
    let results = system.http.with_key(Method::GET, url, &worker.key).await;
    assert_eq!(results.json(), quotes.as_str());
    system.finish().await;
}

#[tokio::test]
async fn malformed_failure_still_ends_the_job() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let long = "é".repeat(1_467);
    let failure = json!([
        { "type": "progress_update", "stage": "a", "progress": 10.0, "message": &long },
        { "type": "job_failed", "stage": "b", "error": { "code": "HTTP 500", "message": &long } },
    ]);
    let body = worker.body(&failure);
    for _ in 0..2 {
        let answer = worker.post(&body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.json()["status"], "failed");
    }
    let failed = client.expect("job_failed").await;
    assert_eq!(failed["error"]["code"], "HTTP_500");
    assert_eq!(failed["stage"], "a");
    let message = failed["error"]["message"].as_str().expect("a message");
    assert!(
        message.len() <= 1024 && message.ends_with("é…"),
        "{message}"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn accepted_post_renews_the_lease() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    let mut other = worker.clone();
    let start = worker.clone();
    worker
        .post_events(json!([progress("a", 60), stage_complete("a", 1)]))
        .await;
    let posts = [
        ("a heartbeat", worker.body(&json!([]))),
        ("a repeat", start.body(&json!([stage_complete("a", 1)]))),
        ("outdated progress", start.body(&json!([progress("a", 50)]))),
    ];
    for (kind, body) in posts {
        system.end_lease(&job).await;
        let answer = worker.post(&body).await;
        assert_eq!(answer.status, 200, "{kind}: {:?}", answer.body);
        let held = other.try_claim(&json!({ "stages": ["a"] })).await;
        assert_eq!(held.status, 409, "{kind}");
        assert_eq!(held.json()["error"]["code"], "job_held", "{kind}");
    }
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    let late = worker.post_rejected(409, json!([])).await;
    assert_eq!(late["code"], "job_already_finished");
    system.finish().await;
}
