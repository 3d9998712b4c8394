//! Small and large results.

use end_to_end::{
    System,
    script::{Script, StageScript},
};
use http::Method;

async fn completed(system: &System, results_bytes: usize) -> (end_to_end::Job, serde_json::Value) {
    let script = Script {
        stage_2: StageScript {
            results_bytes,
            ..StageScript::default()
        },
        ..Script::default()
    };
    let (job, mut client) = system.create_and_watch(script).await;
    let complete = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(complete["type"], "job_complete");
    client.close().await;
    (job, complete)
}

#[tokio::test]
async fn results_over_32_kb_are_fetched_from_results_url() {
    let system = System::scripted().await;
    let (job, complete) = completed(&system, 100_000).await;
    assert!(complete["results"].is_null());
    let url = complete["results_url"].as_str().unwrap();
    let results = system.http.with_key(Method::GET, url, &job.key).await;
    assert_eq!(results.status, 200);
    assert_eq!(results.json()["filling"].as_str().unwrap().len(), 100_000);
    let path = format!("{}/results", job.path());
    let results = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(results.json()["filling"].as_str().unwrap().len(), 100_000);
    system.finish().await;
}

#[tokio::test]
async fn results_over_4_mb_redirect_to_a_presigned_url() {
    let system = System::scripted().await;
    let (job, complete) = completed(&system, 4_300_000).await;
    let url = complete["results_url"].as_str().unwrap();
    let redirect = system.http.with_key(Method::GET, url, &job.key).await;
    assert_eq!(redirect.status, 307);
    let address = redirect.headers["location"].to_str().unwrap();
    let results = system.http.request(Method::GET, address, &[], "").await;
    assert_eq!(results.status, 200);
    assert_eq!(results.json()["filling"].as_str().unwrap().len(), 4_300_000);
    system.finish().await;
}

#[tokio::test]
async fn results_require_the_key_and_a_finished_stage() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(600, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let path = format!("{}/results", job.path());
    assert_eq!(
        system
            .http
            .with_key(Method::GET, &path, "wrong")
            .await
            .status,
        403
    );
    let early = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(early.status, 404);
    assert_eq!(early.json()["error"]["code"], "no_results");
    system
        .http
        .with_key(Method::DELETE, &job.path(), &job.key)
        .await;
    system.finish().await;
}
