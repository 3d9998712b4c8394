//! Stages that block their thread, in a process with one processor.

use end_to_end::{
    Client, Job, System, needs,
    script::{Gate, Script, StageResult, StageScript},
};
use serde_json::{Value, json};
use stagecast_contract::{queues::JobQueue, tables::Jobs};
use typed_contract::tables::Table as _;

fn blocking_until(gate: &Gate) -> Script {
    Script {
        stage_1: StageScript::blocking_until(gate),
        ..Script::default()
    }
}

/// Starts a job whose first stage blocks its thread, with a client that has received its report.
async fn blocked(system: &System, gate: &Gate) -> (Job, Client) {
    let job = system.create_scripted(&blocking_until(gate)).await;
    let mut client = system.watch(&job).await;
    while client.next().await.expect("a message")["progress"] != 50 {}
    (job, client)
}

/// Runs a job to its end. Returns the id of its process.
async fn process(system: &System) -> u64 {
    let (_, mut client) = system.create_and_watch(Script::default()).await;
    let end = client.until_job_ends().await.pop().expect("an end");
    client.close().await;
    end["results"]["process"].as_u64().expect("a process id")
}

#[tokio::test]
async fn blocked_stage_still_reports_and_renews_its_lease() {
    needs!(AdjustStack);
    let system = System::scripted_on_one_core().await;
    let gate = Gate::closed();
    let (job, mut client) = blocked(&system, &gate).await;
    system.end_lease(&job).await;
    system
        .eventually("the lease is renewed", async |system| {
            let jobs = system.items(Jobs::SPEC).await;
            jobs.iter()
                .all(|item| item["lease_expires_at"].as_i64() > Some(1))
        })
        .await;
    gate.open();
    let end = client.until_job_ends().await.pop().unwrap();
    assert_eq!(end["type"], "job_complete", "{end}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn blocked_stage_is_cancelled_and_its_process_runs_no_other_job() {
    needs!(AdjustStack);
    let system = System::scripted_on_one_core().await;
    let before = process(&system).await;
    let gate = Gate::closed();
    let (job, mut client) = blocked(&system, &gate).await;
    client
        .send(&json!({ "type": "cancel_job", "job_id": job.id }))
        .await;
    let end = client.until_job_ends().await.pop().unwrap();
    assert_eq!(end["type"], "job_cancelled", "{end}");
    assert_eq!(end["stage"], "stage_1");
    client.close().await;
    // The gate is still closed, so the cancelled job's stage would block until the end.
    assert_ne!(process(&system).await, before);
    let logs = system.local().logs();
    let says_why = logs
        .iter()
        .any(|line| line.text.contains("check_cancelled"));
    assert!(says_why, "{logs:#?}");
    drop(gate);
    system.finish().await;
}

#[tokio::test]
async fn job_whose_runs_lose_their_leases_fails_with_lease_lost() {
    needs!(AdjustStack);
    let system = System::scripted().await;
    let gate = Gate::closed();
    let (job, mut client) = blocked(&system, &gate).await;
    // The runs are alive, but their job is claimed by another run.
    let take_over = async || {
        system.end_lease(&job).await;
        system.send::<JobQueue>(&job.job_message()).await;
    };
    for lost in 1..=2 {
        take_over().await;
        system
            .eventually("the run has recorded its lost lease", async |system| {
                let jobs = system.items(Jobs::SPEC).await;
                jobs[0]["lost_leases"].as_array().map_or(0, Vec::len) == lost
            })
            .await;
        while client.next().await.unwrap()["progress"] != 50 {}
    }
    take_over().await;
    let end = client.until_job_ends().await.pop().unwrap();
    assert_eq!(end["error"]["code"], "lease_lost", "{end}");
    client.close().await;
    drop(gate);
    system.finish().await;
}

#[tokio::test]
async fn panicked_stage_leaves_the_process_usable() {
    needs!(AdjustStack);
    let system = System::scripted_on_one_core().await;
    let before = process(&system).await;
    let panics = Script {
        stage_1: StageScript {
            blocking: true,
            then: StageResult::Panic,
            ..StageScript::default()
        },
        ..Script::default()
    };
    let (_, mut client) = system.create_and_watch(panics).await;
    let end: Value = client.until_job_ends().await.pop().unwrap();
    assert_eq!(end["error"]["code"], "stage_panicked", "{end}");
    client.close().await;
    assert_eq!(process(&system).await, before);
    system.finish().await;
}
