//! The event `checkpoint`, and what the next claim continues.

use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::{
    limits::{
        MAX_ATTEMPTS_WITHOUT_PROGRESS, MAX_INLINE_CHECKPOINT_BYTES, MAX_WORKER_CHECKPOINT_BYTES,
    },
    timestamp::Timestamp,
};
use stagecast_testing::fixtures::subscribed;

use super::{Site, progress, stage_complete, types};

fn checkpoint(stage: &str, content: impl Into<Value>) -> Value {
    json!({"type": "checkpoint", "stage": stage, "state": content.into()})
}

impl Site {
    fn count(&self, operation: &str) -> u64 {
        let calls = self.aws.calls();
        calls.count(|call| call.operation == operation)
    }
}

#[tokio::test]
async fn next_claim_has_the_last_checkpoint_and_continues_the_attempt() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let first = json!([progress("a", 20), checkpoint("a", json!({"offset": 2}))]);
    site.post(&job, 1, 0, first).await.accepted();
    let second = json!([progress("a", 40), checkpoint("a", json!({"offset": 4}))]);
    site.post(&job, 1, 0, second).await.accepted();
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["progress_update", "progress_update"]);

    site.end_lease();
    let claimed = site.claim(&job, &["a", "b"]).await.accepted();

    let expected = json!({"stage": "a", "state": {"offset": 4}});
    assert_eq!(claimed["checkpoint"], expected);
    // The percentage of an attempt does not go back.
    site.post(&job, 2, 0, json!([progress("a", 10)]))
        .await
        .accepted();
    let message = site.aws.take_messages("c1").remove(0);
    assert_eq!(
        (&message["attempt"], &message["progress"]),
        (&json!(1), &json!(40))
    );
}

#[tokio::test]
async fn claim_without_a_checkpoint_starts_the_next_attempt() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.post(&job, 1, 0, json!([progress("a", 40)]))
        .await
        .accepted();
    site.end_lease();
    let claimed = site.claim(&job, &["a"]).await.accepted();
    assert!(claimed["checkpoint"].is_null());
    assert_eq!(claimed["artifacts"], json!([]));
    site.post(&job, 2, 0, json!([progress("a", 10)]))
        .await
        .accepted();
    assert_eq!(site.item()["attempt"]["N"], "2");
    assert_eq!(site.item()["progress"]["N"], "10");
}

#[tokio::test]
async fn checkpoint_is_gone_once_its_stage_is_complete() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let events = json!([checkpoint("a", 1), stage_complete("a", 1)]);
    site.post(&job, 1, 0, events).await.accepted();
    site.end_lease();
    let claimed = site.claim(&job, &["a", "b"]).await.accepted();
    assert!(claimed["checkpoint"].is_null());
}

#[tokio::test]
async fn checkpoint_resets_the_claims_without_progress() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    for epoch in 1..=u64::from(MAX_ATTEMPTS_WITHOUT_PROGRESS) + 2 {
        let event = json!([checkpoint("a", epoch)]);
        site.post(&job, epoch, 0, event).await.accepted();
        assert_eq!(site.item()["attempts_without_progress"]["N"], "0");
        site.end_lease();
        let claimed = site.claim(&job, &["a"]).await.accepted();
        assert_eq!(claimed["checkpoint"]["state"], epoch);
    }
}

#[tokio::test]
async fn checkpoint_without_progress_is_not_sent_and_keeps_what_is_shown() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.post(&job, 1, 0, json!([progress("a", 40)]))
        .await
        .accepted();
    site.aws.take_messages("c1");

    let accepted = site.post(&job, 1, 0, json!([checkpoint("a", 1)])).await;

    assert_eq!(accepted.accepted()["seq"], 0);
    assert!(site.aws.take_messages("c1").is_empty());
    let item = site.item();
    assert_eq!(item["progress"]["N"], "40");
    assert_eq!(item["message"]["S"], "Working...");
}

#[tokio::test]
async fn repeated_post_stores_no_checkpoint_of_a_finished_stage() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let events = json!([
        checkpoint("a", "old"),
        stage_complete("a", 1),
        checkpoint("b", "new")
    ]);
    site.post(&job, 1, 0, events.clone()).await.accepted();
    site.aws.calls().clear();
    site.post(&job, 1, 0, events).await.accepted();
    // Only that of the stage `b`, which may not have been stored.
    assert_eq!(site.count("dynamodb:PutItem"), 1);
    site.end_lease();
    let claimed = site.claim(&job, &["a", "b"]).await.accepted();
    assert_eq!(claimed["checkpoint"], json!({"stage": "b", "state": "new"}));
}

#[tokio::test]
async fn checkpoint_takes_two_writes_with_or_without_progress() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    // The first progress of a stage reads its history.
    site.post(&job, 1, 0, json!([progress("a", 1)]))
        .await
        .accepted();
    for events in [
        json!([checkpoint("a", 1)]),
        json!([progress("a", 2), checkpoint("a", 2)]),
        // Only the last one is stored.
        json!([checkpoint("a", 3), checkpoint("a", 4)]),
    ] {
        site.aws.calls().clear();
        site.post(&job, 1, 0, events).await.accepted();
        assert_eq!(site.count("dynamodb:PutItem"), 1);
        assert_eq!(site.count("dynamodb:UpdateItem"), 1);
        assert_eq!(site.count("dynamodb:Query"), 0);
        assert_eq!(site.count("s3:PutObject"), 0);
    }
    let large = "x".repeat(MAX_INLINE_CHECKPOINT_BYTES);
    site.aws.calls().clear();
    site.post(&job, 1, 0, json!([checkpoint("a", large)]))
        .await
        .accepted();
    assert_eq!(site.count("s3:PutObject"), 1);
    assert_eq!(site.count("dynamodb:Query"), 0);
    assert_eq!(site.count("dynamodb:PutItem"), 1);
    assert_eq!(site.count("dynamodb:UpdateItem"), 1);
}

#[tokio::test]
async fn large_state_is_not_replaced_before_the_next_one_is_recorded() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let state = |letter: &str| letter.repeat(MAX_INLINE_CHECKPOINT_BYTES + 1);
    for letter in ["x", "y"] {
        // Each post is served by another process.
        let other = site.other_process();
        let event = json!([checkpoint("a", state(letter))]);
        other.post(&job, 1, 0, event).await.accepted();
    }
    // The object is written, and the item that names it is not.
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });
    let failed = site
        .post(&job, 1, 0, json!([checkpoint("a", state("z"))]))
        .await;
    failed.refused(500, "internal");
    site.end_lease();
    let claimed = site.claim(&job, &["a"]).await.accepted();
    assert_eq!(claimed["checkpoint"]["state"], state("y"));
}

#[tokio::test]
async fn checkpoint_of_a_lost_claim_is_refused() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.post(&job, 1, 0, json!([checkpoint("a", 1)]))
        .await
        .accepted();
    site.end_lease();
    site.claim(&job, &["a"]).await.accepted();
    let late = site.post(&job, 1, 0, json!([checkpoint("a", 2)])).await;
    late.refused(409, "lease_lost");
    site.end_lease();
    let claimed = site.claim(&job, &["a"]).await.accepted();
    assert_eq!(claimed["checkpoint"]["state"], 1);
}

#[tokio::test]
async fn invalid_checkpoints_are_refused_and_change_nothing() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let before = site.item();
    let large = "x".repeat(MAX_WORKER_CHECKPOINT_BYTES);
    let refused = site.post(&job, 1, 0, json!([checkpoint("a", large)])).await;
    let error = refused.refused(400, "invalid_body");
    assert_eq!(error["field"], "events[0].state");
    assert_eq!(error["max_bytes"], MAX_WORKER_CHECKPOINT_BYTES);
    let unknown = site.post(&job, 1, 0, json!([checkpoint("c", 1)])).await;
    unknown.refused(400, "unknown_stage");
    let finished = json!([stage_complete("a", 1), checkpoint("a", 1)]);
    let refused = site.post(&job, 1, 0, finished).await;
    refused.refused(409, "stage_finished");
    assert_eq!(site.item(), before);
    assert!(site.log().is_empty());
}

fn retry(percent: u8, attempt: u32, retry_at: Option<Timestamp>) -> Value {
    let mut update = progress("a", percent);
    update["attempt"] = attempt.into();
    update["max_attempts"] = 5.into();
    if let Some(retry_at) = retry_at {
        update["retry_at"] = retry_at.to_string().into();
    }
    update
}

#[tokio::test]
async fn subscribers_see_the_attempts_that_a_worker_reports() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.post(&job, 1, 0, json!([retry(60, 1, None)]))
        .await
        .accepted();
    let first = site.aws.take_messages("c1").remove(0);
    assert_eq!(first["attempt"], 1);
    assert!(first["max_attempts"].is_null());

    let retry_at = site.clock.now().plus_seconds(60);
    let waiting = json!([retry(0, 2, Some(retry_at))]);
    site.post(&job, 1, 0, waiting).await.accepted();
    let message = site.aws.take_messages("c1").remove(0);
    assert_eq!(message["attempt"], 2);
    assert_eq!(message["max_attempts"], 5);
    assert_eq!(message["retry_at"], retry_at.to_string());
    assert_eq!(message["progress"], 0);

    site.post(&job, 1, 0, json!([progress("a", 10)]))
        .await
        .accepted();
    let running = site.aws.take_messages("c1").remove(0);
    assert_eq!(
        (&running["attempt"], &running["progress"]),
        (&json!(2), &json!(10))
    );
    assert_eq!(running["max_attempts"], 5);
    assert!(running["retry_at"].is_null());
    // A late post of the first attempt changes nothing.
    site.post(&job, 1, 0, json!([retry(90, 1, None)]))
        .await
        .accepted();
    assert_eq!(site.item()["attempt"]["N"], "2");
}

#[tokio::test]
async fn claim_while_an_attempt_waits_makes_this_attempt() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let retry_at = site.clock.now().plus_seconds(600);
    site.post(&job, 1, 0, json!([retry(0, 3, Some(retry_at))]))
        .await
        .accepted();
    site.end_lease();
    site.claim(&job, &["a"]).await.accepted();
    site.post(&job, 2, 0, json!([progress("a", 5)]))
        .await
        .accepted();
    assert_eq!(site.item()["attempt"]["N"], "3");
}

#[tokio::test]
async fn time_of_the_next_attempt_is_at_most_15_minutes_ahead() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let far = site.clock.now().plus_seconds(15 * 60 + 1);
    let events = json!([progress("a", 1), retry(0, 2, Some(far))]);
    let refused = site.post(&job, 1, 0, events).await;
    let error = refused.refused(400, "invalid_body");
    assert_eq!(error["field"], "events[1].retry_at");
    assert!(site.item()["stage"]["S"].is_null());
}
