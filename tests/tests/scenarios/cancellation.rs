//! Cancelling a job over the WebSocket API and over HTTP.

use end_to_end::{
    System, needs,
    script::{Script, StageScript},
};
use http::Method;
use serde_json::json;

fn long() -> Script {
    Script {
        stage_1: StageScript::slow(600, 100),
        ..Script::default()
    }
}

#[tokio::test]
async fn client_cancels_a_job_within_a_stage() {
    let system = System::scripted().await;
    let job = system.create_scripted(&long()).await;
    let mut client = system.watch(&job).await;
    while client.next().await.unwrap()["progress"].as_u64() == Some(0) {}
    let cancel = json!({ "type": "cancel_job", "job_id": job.id, "access_key": job.key });
    client.ask(&cancel, "cancel_requested").await;
    let cancelled = client.until_job_ends().await.pop().unwrap();
    assert_eq!(cancelled["type"], "job_cancelled");
    assert_eq!(cancelled["stage"], "stage_1");
    assert_eq!(cancelled["seq"], 1);

    let again = client.ask(&cancel, "error").await;
    assert_eq!(again["code"], "job_already_finished");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_is_cancelled_over_http_and_only_once() {
    let system = System::scripted().await;
    let job = system.create_scripted(&long()).await;
    let mut client = system.watch(&job).await;
    let refused = system
        .http
        .with_key(Method::DELETE, &job.path(), "wrong")
        .await;
    assert_eq!(refused.status, 403);
    let accepted = system
        .http
        .with_key(Method::DELETE, &job.path(), &job.key)
        .await;
    assert_eq!(accepted.status, 202);
    assert_eq!(
        client.until_job_ends().await.last().unwrap()["type"],
        "job_cancelled"
    );
    let again = system
        .http
        .with_key(Method::DELETE, &job.path(), &job.key)
        .await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["error"]["code"], "job_already_finished");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn subscriber_is_notified_when_the_job_is_cancelled_over_http() {
    needs!(HoldJobs);
    let system = System::with_held_jobs().await;
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.watch(&job).await;
    let accepted = system
        .http
        .with_key(Method::DELETE, &job.path(), &job.key)
        .await;
    assert_eq!(accepted.status, 202);
    client.expect("job_cancelled").await;
    client.close().await;
    system.finish().await;
}
