//! Queues of external workers: several claimants, killed functions and workers, priorities, delays.

use std::collections::BTreeSet;

use end_to_end::{Job, System, needs, worker::stage_complete};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use stagecast_contract::tables::{Jobs, WorkQueues};
use typed_contract::tables::Table as _;

use crate::abandoned::run_watchdog;

fn end() -> Value {
    json!([stage_complete("a", 1), { "type": "job_complete" }])
}

async fn entries(system: &System) -> usize {
    let items = system.items(WorkQueues::SPEC).await;
    items
        .iter()
        .filter(|item| item.get("job_id").is_some())
        .count()
}

#[tokio::test]
async fn several_claimants_run_one_job_each_by_priority() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let token = system.worker_token().await;
    let mut jobs = Vec::new();
    for number in 0..9 {
        let query = format!("queue=plans&priority={}", number % 3);
        jobs.push((number % 3, system.create_in_queue(&query, "input").await.id));
    }

    for priority in [2, 1, 0] {
        let claims = join_all((0..3).map(|_| system.claim_from("plans", &token))).await;
        let mut claimed = BTreeSet::new();
        for claim in claims {
            let (answer, mut worker) = claim.expect("a job waits");
            assert_eq!(answer["priority"], priority);
            claimed.insert(answer["job_id"].as_str().expect("a string").to_owned());
            assert_eq!(
                worker.request(Method::GET, "input", "").await.body,
                b"input"[..]
            );
            worker.post_events(end()).await;
        }
        let of_priority = jobs.iter().filter(|(of, _)| *of == priority);
        let expected: BTreeSet<_> = of_priority.map(|(_, id)| id.clone()).collect();
        assert_eq!(claimed, expected);
    }
    assert!(system.claim_from("plans", &token).await.is_none());
    assert_eq!(entries(&system).await, 0);
    system.finish().await;
}

#[tokio::test]
async fn job_of_a_dead_worker_is_claimed_by_another() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let token = system.worker_token().await;
    let job = system.create_in_queue("queue=plans", "input").await;
    let mut client = system.watch(&job).await;
    let (_, dead) = system.claim_from("plans", &token).await.expect("the job");
    assert!(system.claim_from("plans", &token).await.is_none());
    system.end_lease(&job).await;
    run_watchdog(&system, &job, Some(1)).await;
    system
        .eventually("the job is back in its queue", async |system| {
            entries(system).await == 1
        })
        .await;

    let (claimed, mut worker) = system.claim_from("plans", &token).await.expect("the job");

    assert_eq!(
        (&claimed["epoch"], &claimed["attempt"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(dead.post_rejected(409, end()).await["code"], "lease_lost");
    worker.post_events(end()).await;
    client.until_job_ends().await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn jobs_with_a_delay_are_claimed_when_they_are_due() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let token = system.worker_token().await;
    let job = system.create_in_queue("queue=reports", "input").await;
    let (_, worker) = system.claim_from("reports", &token).await.expect("the job");
    let release = json!({ "epoch": 1, "delay_seconds": 2 }).to_string();
    for _ in 0..2 {
        let released = worker
            .request(Method::POST, "release", release.clone())
            .await;
        assert_eq!(released.status, 200, "{:?}", released.body);
        assert_eq!(
            released.json(),
            json!({ "job_id": job.id, "status": "queued" })
        );
    }
    assert!(system.claim_from("reports", &token).await.is_none());
    system
        .eventually("the delay is over", async |system| {
            entries(system).await == 1
        })
        .await;

    let (claimed, mut worker) = system.claim_from("reports", &token).await.expect("the job");

    assert_eq!(
        (&claimed["epoch"], &claimed["attempt"]),
        (&json!(2), &json!(1))
    );
    worker.post_events(end()).await;
    system.finish().await;
}

#[tokio::test]
async fn waiting_job_is_cancelled_over_the_websocket() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let job = system.create_in_queue("queue=plans", "input").await;
    let mut client = system.watch(&job).await;
    let cancel = json!({ "type": "cancel_job", "job_id": job.id, "access_key": job.key });
    client.send(&cancel).await;
    client.until_job_ends().await;
    assert_eq!(entries(&system).await, 0);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn each_job_is_run_once_while_functions_are_killed() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    needs!(InjectFaults, CountCalls, AdjustStack);
    let system = System::start().await;
    let token = system.worker_token().await;
    let mut jobs: Vec<Job> = Vec::new();
    for _ in 0..12 {
        jobs.push(system.create_in_queue("queue=plans", "input").await);
    }

    let claims = (0..6).map(async |_| {
        let mut done = Vec::new();
        for _ in 0..6 {
            // The killed function answers no request; what it has claimed is back in the queue later.
            let path = "/v1/queues/plans/claim";
            let answer = system
                .http
                .with_key(Method::POST, path, token.reveal())
                .await;
            if answer.status == 200 {
                let claimed = answer.json();
                done.push((claimed["job_id"].to_string(), claimed["epoch"].as_u64()));
            }
        }
        done
    });
    let killing = async {
        for _ in 0..5 {
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            system.local().kill("worker");
        }
    };
    let (claims, ()) = tokio::join!(join_all(claims), killing);

    let mut all: Vec<_> = claims.into_iter().flatten().collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "a claim was answered twice");
    // The workers of all claims are dead now.
    for job in &jobs {
        let items = system.items(Jobs::SPEC).await;
        let item = items.iter().find(|item| item["job_id"] == job.id.as_str());
        let epoch = item.expect("the job")["epoch"].as_u64().expect("a number");
        if epoch > 0 {
            system.end_lease(job).await;
            run_watchdog(&system, job, Some(epoch)).await;
        }
    }
    let mut run = BTreeSet::new();
    system
        .eventually("all jobs are in the queue", async |system| {
            entries(system).await == 12
        })
        .await;
    while let Some((claimed, mut worker)) = system.claim_from("plans", &token).await {
        worker.post_events(end()).await;
        let id = claimed["job_id"].as_str().expect("a string").to_owned();
        assert!(run.insert(id), "{claimed}");
    }
    assert_eq!(run, jobs.into_iter().map(|job| job.id).collect());
    system.finish().await;
}
