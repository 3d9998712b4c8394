//! The floor plans in the external worker of `examples/rust-worker`: the same stages, in a separate process.

use std::process::Stdio;

use end_to_end::{System, plans};
use http::Method;
use serde_json::Value;
use stagecast_scenarios::{Job, executables};
use tokio::process::{Child, Command};

const PNG: &str = "image/png";

/// Starts a worker of one job, whose stages take at least `pace_ms`.
fn worker(system: &System, job: &Job, key: &str, pace_ms: u32) -> Child {
    let folder = executables::build(env!("CARGO_MANIFEST_DIR"), ["rust-worker"]);
    Command::new(folder.join("rust-worker"))
        .args([
            "--url",
            system.http.base(),
            "--job",
            &job.id,
            "--grace-seconds",
            "0",
        ])
        .env("STAGECAST_WORKER_KEY", key)
        .env("STAGE_PACE_MS", pace_ms.to_string())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("the worker starts")
}

async fn create(system: &System) -> (Job, String) {
    let plan = plans::HOUSE.as_slice();
    let (job, worker) = (**system).create_external(PNG, plan).await;
    (job, worker.key)
}

async fn results(system: &System, job: &Job) -> Value {
    let path = format!("{}/results", job.path());
    system
        .http
        .with_key(Method::GET, &path, &job.key)
        .await
        .json()
}

#[tokio::test]
async fn worker_yields_the_results_of_the_pipeline() {
    let system = System::start().await;
    let (job, key) = create(&system).await;
    let mut client = system.watch(&job).await;
    let mut process = worker(&system, &job, &key, 0);
    let messages = client.until_job_ends().await;
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    assert!(process.wait().await.expect("it ends").success());

    let by_pipeline = system.create(PNG, plans::HOUSE.as_slice()).await;
    let mut other = system.watch(&by_pipeline).await;
    other.until_job_ends().await;
    assert_eq!(
        results(&system, &job).await,
        results(&system, &by_pipeline).await
    );
    client.close().await;
    other.close().await;
    system.finish().await;
}

#[tokio::test]
async fn next_worker_continues_after_the_finished_stage_of_a_killed_one() {
    let system = System::start().await;
    let (job, key) = create(&system).await;
    let mut client = system.watch(&job).await;
    let mut first = worker(&system, &job, &key, 2_000);
    assert_eq!(client.expect("stage_complete").await["stage"], "stage_1");
    first.kill().await.expect("it is killed");
    system.end_lease(&job).await;
    let mut second = worker(&system, &job, &key, 0);
    let messages = client.until_job_ends().await;
    // The takeover may send the log again.
    let new = messages
        .iter()
        .filter(|it| it["type"] != "stage_complete" || it["seq"] != 1);
    let stages: Vec<_> = new.filter_map(|it| it["stage"].as_str()).collect();
    assert!(
        stages.iter().all(|stage| *stage == "stage_2"),
        "the first stage does not run again: {stages:?}"
    );
    assert_eq!(messages.last().unwrap()["seq"], 3);
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    assert!(second.wait().await.expect("it ends").success());
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn terminated_worker_hands_its_job_back_at_once() {
    let system = System::start().await;
    let (job, key) = create(&system).await;
    let mut client = system.watch(&job).await;
    let mut first = worker(&system, &job, &key, 60_000);
    client.expect("progress_update").await;
    let pid = first.id().expect("it runs").to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
    assert!(sent.expect("kill starts").success());
    assert!(first.wait().await.expect("it ends").success());
    // Its lease would hold the job for 30 seconds; nothing ends the lease here.
    let mut second = worker(&system, &job, &key, 0);
    let messages = client.until_job_ends().await;
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    assert!(second.wait().await.expect("it ends").success());
    client.close().await;
    system.finish().await;
}
