//! Rejected inputs, unknown jobs.

use end_to_end::{
    System,
    script::{self, Script},
};
use http::Method;
use serde_json::Value;

async fn refusal(system: &System, media_type: &str, body: Vec<u8>) -> (u16, Value) {
    let headers = [("content-type", media_type)];
    let answer = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, body)
        .await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn input_is_rejected_by_the_rules_of_its_pipeline() {
    let system = System::scripted().await;
    let script = Script::default().body();
    let (status, body) = refusal(&system, "image/png", script.clone()).await;
    assert_eq!(status, 415);
    assert_eq!(body["error"]["code"], "unsupported_media_type");
    assert_eq!(body["error"]["supported"][0], script::MEDIA_TYPE);
    assert!(
        body["error"]["request_id"]
            .as_str()
            .unwrap()
            .starts_with("req_")
    );

    let (status, body) = refusal(&system, script::MEDIA_TYPE, Vec::new()).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], "empty_body");

    let (status, body) = refusal(&system, script::MEDIA_TYPE, b"{}".to_vec()).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], "invalid_input");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("missing field `stage_1`"), "{message}");

    let mut large = script.clone();
    large.resize(4 * 1024 * 1024 + 1, b' ');
    let (status, body) = refusal(&system, script::MEDIA_TYPE, large).await;
    assert_eq!(status, 413);
    assert_eq!(body["error"]["code"], "body_too_large");
    assert_eq!(body["error"]["max_bytes"], 4 * 1024 * 1024);

    // A body over Lambda's 6 MB is rejected by API Gateway itself.
    let mut larger = script;
    larger.resize(7 * 1024 * 1024, b' ');
    let (status, _) = refusal(&system, script::MEDIA_TYPE, larger).await;
    assert_eq!(status, 413);
    system.finish().await;
}

#[tokio::test]
async fn unknown_job_is_forbidden_and_malformed_id_is_named() {
    let system = System::start().await;
    let unknown = "/v1/jobs/job_20240115_0000000000000000";
    assert_eq!(
        system
            .http
            .with_key(Method::GET, unknown, "key")
            .await
            .status,
        403
    );
    let malformed = system
        .http
        .with_key(Method::GET, "/v1/jobs/nonsense", "key")
        .await;
    assert_eq!(malformed.status, 400);
    assert_eq!(malformed.json()["error"]["code"], "invalid_job_id");
    let no_key = system.http.request(Method::GET, unknown, &[], "").await;
    assert_eq!(no_key.status, 403);
    system.finish().await;
}
