//! Requests that are refused: without a key, with a wrong key, with an invalid input.

use http::Method;
use serde_json::{Value, json};

use crate::{client::Client, http::Response, run::Scenario, system::Job};

/// A job id that no job has.
const UNKNOWN_JOB: &str = "job_20240115_0000000000000000";

/// A body that no input rules accept.
const NO_INPUT: &[u8] = b"\0not an input";

/// Without the access key, a job can be neither watched, read nor cancelled.
pub async fn job_without_its_key_is_refused(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut client = scenario.system.connect().await;
    for kind in ["subscribe", "request_status", "cancel_job"] {
        let error = refusal(&mut client, kind, &job.id, None).await;
        assert_eq!(error["code"], "forbidden", "{kind}: {error}");
    }
    for (method, path) in requests(&job) {
        let http = &scenario.system.http;
        let answer = http.request(method.clone(), &path, &[], "").await;
        assert_forbidden(&answer, &format!("{method} {path}"));
    }
    assert_handshake_is_refused(&job, &format!("job_id={}", job.id)).await;
    client.close().await;
}

/// A wrong key is refused, on an open connection, in the handshake and over HTTP. The error does not reveal
/// whether the job exists.
pub async fn job_with_a_wrong_key_is_refused(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut client = scenario.system.connect().await;
    for kind in ["subscribe", "request_status", "cancel_job"] {
        let mut errors = Vec::new();
        for job_id in [job.id.as_str(), UNKNOWN_JOB] {
            let mut error = refusal(&mut client, kind, job_id, Some("wrong")).await;
            assert_eq!(error["request_id"], "mine", "{error}");
            error["timestamp"].take();
            errors.push(error);
        }
        assert_eq!(errors[0], errors[1]);
        assert_eq!(errors[0]["code"], "forbidden", "{kind}");
    }
    // The connection stays open.
    client.ask(&json!({ "type": "ping" }), "pong").await;
    for (method, path) in requests(&job) {
        let http = &scenario.system.http;
        let answer = http.with_key(method.clone(), &path, "wrong").await;
        assert_forbidden(&answer, &format!("{method} {path}"));
    }
    for job_id in [job.id.as_str(), UNKNOWN_JOB, "nonsense"] {
        assert_handshake_is_refused(&job, &format!("job_id={job_id}&access_key=wrong")).await;
    }
    client.close().await;
}

/// `POST /v1/jobs` without a body is refused.
pub async fn empty_input_is_refused(scenario: &Scenario) {
    let headers = [("content-type", scenario.product.media_type.as_str())];
    let answer = create(scenario, &headers, b"").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(error_of(&answer)["code"], "empty_body");
}

/// `POST /v1/jobs` with content of another media type is refused, with the accepted types.
pub async fn input_of_another_media_type_is_refused(scenario: &Scenario) {
    let headers = [("content-type", "application/x-not-an-input")];
    let answer = create(scenario, &headers, NO_INPUT).await;
    assert_eq!(answer.status, 415, "{answer:?}");
    let error = error_of(&answer);
    assert_eq!(error["code"], "unsupported_media_type");
    let accepted = scenario.product.project.product.input.media_types;
    let accepted: Vec<_> = accepted.iter().map(|it| it.name).collect();
    assert_eq!(error["supported"], json!(accepted));
}

/// The `error` that a client gets for a message about a job.
async fn refusal(client: &mut Client, kind: &str, job_id: &str, key: Option<&str>) -> Value {
    let mut message = json!({ "type": kind, "job_id": job_id, "request_id": "mine" });
    if let Some(key) = key {
        message["access_key"] = json!(key);
    }
    client.ask(&message, "error").await
}

/// The requests that need the access key.
fn requests(job: &Job) -> [(Method, String); 3] {
    [
        (Method::GET, job.path()),
        (Method::GET, format!("{}/results", job.path())),
        (Method::DELETE, job.path()),
    ]
}

fn assert_forbidden(answer: &Response, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {answer:?}");
    assert_eq!(error_of(answer)["code"], "forbidden", "{what}");
}

async fn assert_handshake_is_refused(job: &Job, query: &str) {
    let url = format!("{}?{query}", job.websocket_url);
    let refused = Client::connect(&url).await.map(|_| ());
    assert_eq!(refused, Err(403), "{query}");
}

async fn create(scenario: &Scenario, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let http = &scenario.system.http;
    http.request(Method::POST, "/v1/jobs", headers, body.to_vec())
        .await
}

/// The error of a response. Every error explains itself and names its request.
fn error_of(answer: &Response) -> Value {
    let error = answer.json()["error"].clone();
    for field in ["message", "request_id"] {
        let text = error[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "no {field}: {error}");
    }
    error
}
