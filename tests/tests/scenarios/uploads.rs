//! Inputs that are uploaded to the bucket.

use bytes::Bytes;
use end_to_end::{
    Job, Response, System, needs,
    script::{self, Script},
    worker::Worker,
};
use http::{Method, Uri};
use serde_json::{Value, json};
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE,
    limits::UPLOAD_PART_BYTES,
    queues::{DeliveryQueue, DeliveryTask},
    tables::Jobs,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use typed_contract::tables::Table as _;

/// Creates a job from a description. Returns the job and the response's body.
pub(crate) async fn describe(system: &System, description: &Value) -> (Job, Value) {
    let headers = [("content-type", JOB_DESCRIPTION_TYPE)];
    let body = description.to_string();
    let created = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, body)
        .await;
    assert_eq!(created.status, 202, "{:?}", created.body);
    (system.job(&created), created.json())
}

/// Sends a part of `input`.
async fn put(system: &System, part: &Value, input: &Bytes) -> Response {
    put_bytes(system, part, &input.slice(range(part))).await
}

/// Sends a part whose content is the beginning of `bytes`.
pub(crate) async fn put_bytes(system: &System, part: &Value, bytes: &Bytes) -> Response {
    let headers: Vec<_> = headers(part).collect();
    let bytes = bytes.slice(..range(part).len());
    let url = part["url"].as_str().expect("a URL");
    system.http.request(Method::PUT, url, &headers, bytes).await
}

/// Sends the beginning of a part, `bytes` of it, and breaks the connection.
async fn put_partly(part: &Value, input: &Bytes, bytes: usize) {
    let url: Uri = part["url"].as_str().expect("a URL").parse().expect("a URL");
    let authority = url.authority().expect("an authority");
    let mut head = format!(
        "PUT {} HTTP/1.1\r\nhost: {authority}\r\n",
        url.path_and_query().expect("a path")
    );
    for (name, value) in headers(part) {
        for text in [name, ": ", value, "\r\n"] {
            head.push_str(text);
        }
    }
    let mut stream = TcpStream::connect(authority.as_str())
        .await
        .expect("a connection");
    let sent = stream.write_all(format!("{head}\r\n").as_bytes()).await;
    sent.expect("the head is sent");
    let begin = range(part).start;
    let sent = stream.write_all(&input[begin..begin + bytes]).await;
    sent.expect("the beginning is sent");
}

fn headers(part: &Value) -> impl Iterator<Item = (&str, &str)> {
    let headers = part["headers"].as_object().expect("headers").iter();
    headers.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
}

fn range(part: &Value) -> std::ops::Range<usize> {
    let number = |name: &str| {
        let number = part[name].as_u64().expect("a number");
        usize::try_from(number).expect("a size")
    };
    let offset = number("offset");
    offset..offset + number("size")
}

pub(crate) async fn upload(system: &System, job: &Job, method: Method) -> Response {
    let path = format!("{}/upload", job.path());
    system.http.with_key(method, &path, &job.key).await
}

async fn status(system: &System, job: &Job) -> String {
    let path = job.path();
    let snapshot = system.http.with_key(Method::GET, &path, &job.key).await;
    snapshot.json()["status"]
        .as_str()
        .expect("a status")
        .to_owned()
}

#[tokio::test]
async fn uploaded_input_runs_through_the_pipeline() {
    let system = System::scripted().await;
    let input = Bytes::from(serde_json::to_vec(&Script::default()).expect("a script"));
    let description = json!({
        "labels": {"team": "maps"},
        "parameters": {"a": 1},
        "input": {"content_type": script::MEDIA_TYPE, "size": input.len()},
    });
    let (job, created) = describe(&system, &description).await;
    let mut client = system.watch(&job).await;
    assert_eq!(status(&system, &job).await, "awaiting_input");
    let early = upload(&system, &job, Method::POST).await;
    assert_eq!(early.json()["error"]["code"], "upload_incomplete");

    let part = &created["upload"]["parts"][0];
    assert_eq!(put(&system, part, &input).await.status, 200);
    for _ in 0..2 {
        let completed = upload(&system, &job, Method::POST).await;
        assert_eq!(completed.status, 200, "{:?}", completed.body);
    }

    client.until_job_ends().await;
    client.close().await;
    let snapshot = system
        .http
        .with_key(Method::GET, &job.path(), &job.key)
        .await;
    assert_eq!(snapshot.json()["status"], "completed");
    assert_eq!(snapshot.json()["labels"]["team"], "maps");
    system.finish().await;
}

#[tokio::test]
async fn interrupted_upload_resumes_and_the_worker_gets_the_right_bytes() {
    // It breaks connections to the local stack.
    needs!(InjectFaults);
    let system = System::start().await;
    let size = UPLOAD_PART_BYTES + 1000;
    let mut input = vec![0; size];
    for (index, byte) in input.iter_mut().step_by(4099).enumerate() {
        *byte = u8::try_from(index % 251).expect("a byte");
    }
    let input = Bytes::from(input);
    let description = json!({
        "worker": "external",
        "input": {"content_type": "application/x-numbers", "size": size},
    });
    let (job, created) = describe(&system, &description).await;
    let key = created["worker_key"].as_str().expect("a worker key");
    let parts = created["upload"]["parts"].as_array().expect("parts");
    for bytes in [0, 1, 3_000_000] {
        put_partly(&parts[0], &input, bytes).await;
    }
    put_partly(&parts[1], &input, 999).await;
    assert_eq!(put(&system, &parts[1], &input).await.status, 200);
    put_partly(&parts[1], &input, 500).await;

    // Another machine goes on.
    let state = upload(&system, &job, Method::GET).await.json();
    let missing = state["upload"]["parts"].as_array().expect("parts");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0]["part"], 1);
    assert_eq!(put(&system, &missing[0], &input).await.status, 200);
    let completed = upload(&system, &job, Method::POST).await;
    assert_eq!(completed.json()["status"], "queued");

    let mut worker = Worker::new(&system.http, &job, key);
    worker.claim(&["count"]).await;
    let redirect = worker.request(Method::GET, "input", "").await;
    assert_eq!(redirect.status, 307);
    let url = redirect.headers["location"].to_str().expect("a URL");
    let stored = system.http.request(Method::GET, url, &[], "").await;
    assert!(stored.body == input, "other bytes");
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    system.finish().await;
}

#[tokio::test]
async fn expired_upload_fails_the_job_for_its_subscribers() {
    // It changes the job's item.
    needs!(InjectFaults);
    let system = System::start().await;
    let description = json!({
        "worker": "external",
        "input": {"content_type": "a/b", "size": UPLOAD_PART_BYTES + 1},
    });
    let (job, _) = describe(&system, &description).await;
    let mut client = system.watch(&job).await;
    system.expire_upload(&job).await;

    check_upload(&system, &job).await;

    let failed = client.expect("job_failed").await;
    assert_eq!(failed["error"]["code"], "upload_expired");
    client.close().await;
    let late = upload(&system, &job, Method::POST).await;
    assert_eq!(late.json()["error"]["code"], "job_already_finished");
    system.finish().await;
}

/// Lets the delivery function check the upload of a job now.
pub(crate) async fn check_upload(system: &System, job: &Job) {
    let id = job.id.parse().expect("a job id");
    system
        .send::<DeliveryQueue>(&DeliveryTask::upload_deadline(id))
        .await;
}

/// A job that waits for an input in two parts is asked for its parts, and cancelled. Its upload is aborted.
pub(crate) async fn upload_is_listed_and_aborted(system: &System) {
    let description = json!({
        "worker": "external",
        "input": {"content_type": "a/b", "size": UPLOAD_PART_BYTES + 1},
    });
    let (job, _) = describe(system, &description).await;
    let listed = upload(system, &job, Method::GET).await;
    assert_eq!(listed.json()["upload"]["part_count"], 2);
    let path = job.path();
    system.http.with_key(Method::DELETE, &path, &job.key).await;
    check_upload(system, &job).await;
    system
        .eventually("the upload is aborted", async |system| {
            let calls = system.local().calls();
            calls.count(|call| call.operation == "s3:AbortMultipartUpload") > 0
        })
        .await;
    let items = system.items(Jobs::SPEC).await;
    let item = items.iter().find(|item| item["job_id"] == job.id);
    assert_eq!(item.expect("the job")["status"], "cancelled");
}
