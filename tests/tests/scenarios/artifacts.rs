//! Files that jobs produce: attached, listed in messages and snapshots, and downloaded.

use end_to_end::{
    Job, System,
    script::{ARTIFACT, ARTIFACT_TYPE, Script, StageScript, artifact_content, hex},
    worker::stage_complete,
};
use http::Method;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use stagecast_contract::limits::MAX_SINGLE_UPLOAD_BYTES;

/// Downloads an artifact of the job, as a client does.
async fn download(system: &System, job: &Job, name: &str) -> end_to_end::Response {
    let path = format!("{}/artifacts/{name}", job.path());
    let redirect = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(redirect.status, 307, "{redirect:?}");
    let address = redirect.headers["location"].to_str().expect("a URL");
    let content = system.http.request(Method::GET, address, &[], "").await;
    assert_eq!(content.status, 200);
    let disposition = content.headers["content-disposition"].to_str();
    let expected = format!("attachment; filename=\"{name}\"");
    assert_eq!(disposition.expect("a text"), expected);
    content
}

fn of_type<'a>(messages: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let of_type = messages.iter().filter(|message| message["type"] == kind);
    of_type.collect()
}

#[tokio::test]
async fn artifact_of_a_stage_is_listed_and_downloaded_byte_for_byte() {
    let system = System::scripted().await;
    // Uploaded in parts.
    let size = MAX_SINGLE_UPLOAD_BYTES + 1_000_003;
    let script = Script {
        stage_1: StageScript {
            artifact_bytes: size,
            ..StageScript::default()
        },
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let seen = client.until_job_ends().await;
    client.close().await;

    let content = artifact_content(size);
    let artifacts = json!([{
        "name": ARTIFACT,
        "content_type": ARTIFACT_TYPE,
        "size": size,
        "sha256": hex(digest(&SHA256, &content).as_ref()),
    }]);
    let stages = of_type(&seen, "stage_complete");
    assert_eq!(stages[0]["artifacts"], artifacts);
    assert!(stages[1].get("artifacts").is_none(), "{}", stages[1]);
    assert_eq!(of_type(&seen, "job_complete")[0]["artifacts"], artifacts);
    let http = &system.http;
    let snapshot = http.with_key(Method::GET, &job.path(), &job.key).await;
    assert_eq!(snapshot.json()["artifacts"], artifacts);

    let downloaded = download(&system, &job, ARTIFACT).await;
    assert_eq!(downloaded.headers["content-type"], ARTIFACT_TYPE);
    assert!(downloaded.body == content, "another content");
    let unknown = format!("{}/artifacts/other.bin", job.path());
    let unknown = http.with_key(Method::GET, &unknown, &job.key).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["error"]["code"], "no_artifact");
    system.finish().await;
}

#[tokio::test]
async fn external_worker_uploads_an_artifact() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("one two").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["count"]).await;
    let content = "word,count\none,1\n";
    let mut artifact = json!({
        "name": "words.csv",
        "content_type": "text/csv",
        "size": content.len(),
        "sha256": hex(digest(&SHA256, content.as_bytes()).as_ref()),
    });
    let mut complete = stage_complete("count", 2);
    complete["artifacts"] = json!([artifact]);
    let events = json!([complete, { "type": "job_complete" }]);
    let early = worker.post_rejected(409, events.clone()).await;
    assert_eq!(early["code"], "artifact_not_uploaded");

    artifact["epoch"] = worker.epoch.into();
    let announced = worker.request(Method::POST, "artifacts", artifact.to_string());
    let announced = announced.await;
    assert_eq!(announced.status, 200, "{:?}", announced.body);
    let upload = announced.json();
    let headers = upload["headers"].as_object().expect("headers").iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    let url = upload["url"].as_str().expect("a URL");
    let put = system.http.request(Method::PUT, url, &headers, content);
    assert_eq!(put.await.status, 200);
    worker.post_events(events).await;

    let seen = client.until_job_ends().await;
    client.close().await;
    let end = of_type(&seen, "job_complete")[0];
    assert_eq!(end["artifacts"][0]["name"], "words.csv");
    let downloaded = download(&system, &job, "words.csv").await;
    assert_eq!(downloaded.headers["content-type"], "text/csv");
    assert!(downloaded.body == content.as_bytes(), "another content");
    system.finish().await;
}
