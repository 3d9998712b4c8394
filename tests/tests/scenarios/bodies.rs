//! Results are returned byte for byte. Bodies are limited as API Gateway and Lambda limit them.

use end_to_end::{
    Client, Job, System, needs,
    script::{self, Script, StageScript},
    worker::Worker,
};
use http::Method;
use serde_json::json;

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

#[tokio::test]
async fn body_too_large_as_a_lambda_payload_is_refused_or_redirected() {
    needs!(LimitEvents);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    // 3.9 MB, which double when they are embedded in a JSON string.
    let quotes = format!("\"{}\"", r#"\""#.repeat(1_950_000));
    let body = stage_complete_text(&worker, "a", &quotes);
    // A JSON body is a string in the function's event. API Gateway rejects it itself.
    let refused = worker.request(Method::POST, "events", body.clone()).await;
    assert_eq!(refused.status, 413);
    // Other bodies are base64 in the event, which is smaller.
    let authorization = format!("Bearer {}", worker.key);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/octet-stream"),
    ];
    let path = format!("{}/events", job.path());
    let accepted = system
        .http
        .request(Method::POST, &path, &headers, body)
        .await;
    assert_eq!(accepted.status, 200, "{:?}", accepted.body);
    // The function's response is a JSON string as well, so these results are no body.
    let path = format!("{}/results?stage=a", job.path());
    let redirect = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(redirect.status, 307, "{:?}", redirect.headers);
    let address = redirect.headers["location"].to_str().expect("an address");
    let results = system.http.request(Method::GET, address, &[], "").await;
    assert!(results.body == quotes, "the results are byte for byte");
    system.finish().await;
}

#[tokio::test]
async fn input_over_lambdas_limit_is_rejected() {
    let system = System::scripted().await;
    let mut script = Script::default().body();
    script.resize(7 * 1024 * 1024, b' ');
    let headers = [("content-type", script::MEDIA_TYPE)];
    // API Gateway rejects it itself: a function is invoked with at most 6 MB.
    let refused = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, script)
        .await;
    assert_eq!(refused.status, 413);
    system.finish().await;
}

#[tokio::test]
async fn results_over_4_mb_redirect_to_a_presigned_url() {
    let system = System::scripted().await;
    let script = Script {
        stage_2: StageScript {
            results_bytes: 4_300_000,
            ..StageScript::default()
        },
        ..Script::default()
    };
    let (job, mut client) = system.create_and_watch(script).await;
    let complete = client.until_job_ends().await.pop().expect("an end");
    assert!(complete["results"].is_null());
    client.close().await;
    let url = complete["results_url"].as_str().unwrap();
    let redirect = system.http.with_key(Method::GET, url, &job.key).await;
    assert_eq!(redirect.status, 307);
    let address = redirect.headers["location"].to_str().unwrap();
    let results = system.http.request(Method::GET, address, &[], "").await;
    assert_eq!(results.status, 200);
    assert_eq!(results.json()["filling"].as_str().unwrap().len(), 4_300_000);
    system.finish().await;
}
