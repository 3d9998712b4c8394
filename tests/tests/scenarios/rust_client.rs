//! The Rust client on the whole system.

use std::sync::Mutex;

use end_to_end::{System, plans};
use serde_json::Value;
use stagecast_client::{Client, Job, JobEnd, JobKey, JobMessage, JobStatus, NewJob};

fn client(system: &System) -> Client {
    Client::new(system.http.base()).expect("an address")
}

async fn create_plan(system: &System) -> Job {
    let plan = NewJob::from_bytes(plans::HOUSE.as_slice(), "image/png");
    client(system).create(plan).await.expect("a job")
}

/// The durable messages from after `seq` to the end.
async fn durable_after(job: &Job, seq: u64) -> Vec<JobMessage> {
    let mut watch = job.watch_after(seq);
    let mut durable = Vec::new();
    while let Some(message) = watch.next().await {
        let message = message.expect("a message");
        durable.extend(message.is_durable().then_some(message));
    }
    durable
}

#[tokio::test]
async fn watch_delivers_the_log_over_both_transports_and_resumes() {
    let system = System::start().await;
    let job = create_plan(&system).await;
    let all = durable_after(&job, 0).await;
    let seqs: Vec<_> = all.iter().map(JobMessage::seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert!(all[2].is_end());
    assert_eq!(durable_after(&job, 2).await, all[2..]);

    // The key is all that a program has to store. Without the WebSocket API, it polls.
    let stored = serde_json::to_string(&job.key()).expect("JSON");
    let mut key: JobKey = serde_json::from_str(&stored).expect("a key");
    key.websocket_url = None;
    let again = client(&system).job(key);
    assert_eq!(durable_after(&again, 0).await, all);

    let JobEnd::Completed(results) = again.wait::<Value>().await.expect("an end") else {
        panic!("the job is completed");
    };
    assert_eq!(
        results["rooms"].as_array().map(Vec::len),
        Some(plans::ROOMS)
    );
    assert_eq!(again.results::<Value>().await.expect("results"), results);
    let walls = again.stage_results::<Value>("stage_1").await;
    assert!(walls.expect("results of a stage").is_object());
    again.cancel().await.expect("a job that has ended");
    system.finish().await;
}

#[tokio::test]
async fn wrong_key_ends_the_watch_with_the_code() {
    let system = System::start().await;
    let mut key = create_plan(&system).await.key().cloned().expect("a key");
    key.access_key = stagecast_client::AccessKey::from_client("0".repeat(32));
    let mut watch = client(&system).job(key).watch();
    let error = watch
        .next()
        .await
        .expect("an error")
        .expect_err("a rejection");
    assert_eq!(error.code(), Some("forbidden"));
    assert!(watch.next().await.is_none());
    drop(watch);
    system.finish().await;
}

#[tokio::test]
async fn large_file_is_uploaded_in_parts_with_progress() {
    const SIZE: u64 = 70 * 1024 * 1024;
    let system = System::start().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(SIZE).expect("a sparse file");
    let sent = Mutex::new(Vec::new());
    let new = NewJob::from_file(file.path(), "application/octet-stream")
        .for_external_worker()
        .label("kind", "large");
    let created = Mutex::new(None);
    let job = client(&system)
        .create_and_upload(
            new,
            |job| *created.lock().expect("a lock") = job.key().cloned(),
            |progress| sent.lock().expect("a lock").push(progress.sent_bytes),
        )
        .await
        .expect("an uploaded job");
    assert_eq!(created.lock().expect("a lock").as_ref(), job.key());
    assert!(job.worker_key().is_some());
    let snapshot = job.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.status, JobStatus::Queued);
    assert_eq!(snapshot.labels["kind"], "large");
    let sent = sent.into_inner().expect("a lock");
    assert!(sent.is_sorted() && sent.last() == Some(&SIZE), "{sent:?}");
    // A job that has its input needs no upload.
    job.upload_file(file.path(), |_| {})
        .await
        .expect("nothing is missing");

    job.cancel().await.expect("it is cancelled");
    let end = job.wait::<Value>().await.expect("an end");
    assert_eq!(end, JobEnd::Cancelled);
    system.finish().await;
}

#[tokio::test]
async fn repeated_creation_with_the_same_key_is_the_same_job() {
    let system = System::start().await;
    let new = NewJob::from_bytes(plans::HOUSE.as_slice(), "image/png")
        .idempotency_key("an-idempotency-key-of-a-test");
    let client = client(&system);
    let first = client.create(new.clone()).await.expect("a job");
    let second = client.create(new).await.expect("the same job");
    assert_eq!(first.key(), second.key());
    first.wait::<Value>().await.expect("an end");
    system.finish().await;
}
