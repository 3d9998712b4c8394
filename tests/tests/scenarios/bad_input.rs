//! Inputs that are no floor plans.

use end_to_end::{System, plans};
use http::Method;

async fn refusal(system: &System, body: Vec<u8>) -> (u16, serde_json::Value) {
    let answer = system
        .http
        .request(
            Method::POST,
            "/v1/jobs",
            &[("content-type", "image/png")],
            body,
        )
        .await;
    (answer.status.as_u16(), answer.json())
}

async fn failure(system: &System, body: Vec<u8>) -> serde_json::Value {
    let job = system.create(body).await;
    let mut client = system.watch(&job).await;
    let failed = client.until_the_end().await.pop().expect("an end");
    assert_eq!(failed["type"], "job_failed", "{failed}");
    client.close().await;
    failed["error"].clone()
}

#[tokio::test]
async fn what_is_no_image_is_refused_and_told_why() {
    let system = System::start().await;
    let (status, body) = refusal(&system, b"hello".to_vec()).await;
    assert_eq!(status, 415);
    assert_eq!(body["error"]["code"], "unsupported_media_type");
    assert!(
        body["error"]["request_id"]
            .as_str()
            .unwrap()
            .starts_with("req_")
    );

    let (status, body) = refusal(&system, Vec::new()).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], "empty_body");

    let mut large = plans::HOUSE.clone();
    large.resize(4 * 1024 * 1024 + 1, 0);
    let (status, body) = refusal(&system, large).await;
    assert_eq!(status, 413);
    assert_eq!(body["error"]["code"], "body_too_large");
    assert_eq!(body["error"]["max_bytes"], 4 * 1024 * 1024);

    // Over Lambda's 6 MB after base64, API Gateway answers by itself.
    let mut larger = plans::HOUSE.clone();
    larger.resize(5 * 1024 * 1024, 0);
    let (status, _) = refusal(&system, larger).await;
    assert_eq!(status, 413);
    system.finish().await;
}

#[tokio::test]
async fn a_broken_image_a_bomb_and_a_blank_sheet_fail_with_a_code_and_the_system_goes_on() {
    let system = System::start().await;
    let broken = plans::HOUSE[..plans::HOUSE.len() / 2].to_vec();
    assert_eq!(failure(&system, broken).await["code"], "broken_image");
    let bomb = failure(&system, plans::bomb()).await;
    assert_eq!(bomb["code"], "image_too_large");
    assert!(
        bomb["message"].as_str().unwrap().contains("20000 x 20000"),
        "{bomb}"
    );
    let blank = failure(&system, plans::blank(400, 300)).await;
    assert_eq!(blank["code"], "no_walls");
    assert!(
        blank["message"]
            .as_str()
            .unwrap()
            .contains("shows no walls"),
        "{blank}"
    );

    let job = system.create(plans::HOUSE.as_slice()).await;
    let mut client = system.watch(&job).await;
    assert_eq!(
        client.until_the_end().await.pop().unwrap()["type"],
        "job_complete"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn unknown_jobs_and_malformed_ids_are_told_apart_only_by_their_form() {
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
