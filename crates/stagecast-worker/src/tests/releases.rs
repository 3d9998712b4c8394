//! `POST /v1/jobs/{job_id}/release`.

use local_aws::Fault;
use serde_json::json;
use stagecast_contract::{ids::WorkerKey, routes::HttpRoute};
use stagecast_testing::fixtures::{START, cancel, subscribed};

use super::{Site, progress, stage_complete, types};

#[tokio::test]
async fn released_job_is_claimed_at_once_without_a_counted_attempt() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;

    for epoch in 1..=5 {
        let (claimed, job) = site.claim_next(&token).await;
        assert_eq!(
            (&claimed["epoch"], &claimed["attempt"]),
            (&json!(epoch), &json!(1))
        );
        let released = site.release(&job, epoch, 0).await.accepted();
        assert_eq!(released, json!({"job_id": job.id, "status": "queued"}));
        let post = site.post(&job, epoch, 0, json!([])).await;
        post.refused(409, "lease_lost");
    }
    assert_eq!(site.entries().len(), 1);
}

#[tokio::test]
async fn release_is_repeated_until_the_next_claim() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;
    // The answer of the table is lost.
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    site.release(&job, 1, 0).await.refused(500, "internal");

    for _ in 0..2 {
        let again = site.release(&job, 1, 60).await.accepted();
        assert_eq!(again["status"], "queued");
    }
    assert_eq!(
        site.item()["run_at"]["S"].as_str(),
        None,
        "it is released once"
    );
    site.release(&job, 2, 0).await.refused(409, "lease_lost");
    site.claim_next(&token).await;
    site.release(&job, 1, 0).await.refused(409, "lease_lost");
}

#[tokio::test]
async fn delayed_release_makes_the_job_claimable_later_behind_the_others() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;

    site.release(&job, 1, 60).await.accepted();

    assert!(site.entries().is_empty());
    assert_eq!(
        site.item()["run_at"]["S"],
        START.plus_seconds(60).to_string()
    );
    assert_eq!(site.watchdogs(), [1, 1], "one checks it when it is due");
    let answer = site.claim_from("plans", token.reveal(), &json!({})).await;
    assert_eq!(answer.status, 204);
    let by_id = site.claim(&job, &["a"]).await;
    by_id.refused(409, "not_due");
    site.clock.advance(60);
    site.enqueue(&job).await;
    let (claimed, _) = site.claim_next(&token).await;
    assert_eq!(
        (&claimed["epoch"], &claimed["attempt"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test]
async fn attempt_after_a_finished_stage_is_not_counted_either() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();

    site.release(&job, 1, 0).await.accepted();

    let (claimed, _) = site.claim_next(&token).await;
    assert_eq!(claimed["attempt"], 1);
    assert_eq!(claimed["finished"], json!([{"stage": "a", "results": 1}]));
}

#[tokio::test]
async fn release_of_a_cancelled_job_ends_it() {
    let site = Site::new();
    let token = site.token().await;
    let waiting = site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;
    cancel(&site.aws, &site.clock, &waiting).await.unwrap();

    let released = site.release(&job, 1, 0).await.accepted();

    assert_eq!(released["status"], "cancelled");
    assert!(site.entries().is_empty());
    site.release(&job, 1, 0)
        .await
        .refused(409, "job_already_finished");
}

#[tokio::test]
async fn job_of_a_worker_key_is_released_too() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.post(&job, 1, 0, json!([progress("a", 10)]))
        .await
        .accepted();

    site.release(&job, 1, 0).await.accepted();

    let claimed = site.claim(&job, &["a"]).await.accepted();
    assert_eq!(
        (&claimed["epoch"], &claimed["attempt"]),
        (&json!(2), &json!(1))
    );
    assert!(claimed.get("queue").is_none() && claimed.get("worker_key").is_none());
    // The next worker starts the stage again, so it is the next attempt at it.
    site.post(&job, 2, 0, json!([progress("a", 5)]))
        .await
        .accepted();
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["progress_update", "progress_update"]);
    assert_eq!(
        (&messages[1]["attempt"], &messages[1]["progress"]),
        (&json!(2), &json!(5))
    );
    let released = site.release(&job, 2, 30).await.accepted();
    assert_eq!(released["status"], "queued");
    site.claim(&job, &["a"]).await.refused(409, "not_due");
    site.clock.advance(30);
    site.claim(&job, &["a"]).await.accepted();
}

#[tokio::test]
async fn access_key_and_wrong_body_are_refused() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let invalid = site.send(HttpRoute::ReleaseJob, &job, "{}").await;
    assert_eq!(invalid.refused(400, "invalid_body")["field"], "epoch");
    let mut client = job.clone();
    client.worker_key = WorkerKey::from_client(job.access_key.reveal());
    site.release(&client, 1, 0).await.refused(403, "forbidden");
    site.release(&job, 1, 0).await.accepted();
}
