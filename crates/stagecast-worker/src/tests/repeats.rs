//! Posts that come again, and posts that contradict the log.

use serde_json::json;
use stagecast_testing::fixtures::subscribed;

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test]
async fn repeated_post_is_answered_alike_and_changes_nothing() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let events = json!([progress("a", 99), stage_complete("a", 1), progress("b", 10)]);

    let first = site.post(&job, 1, 0, events.clone()).await;
    let log = site.log();
    let again = site.post(&job, 1, 0, events.clone()).await;
    let elsewhere = site.other_process().post(&job, 1, 0, events).await;

    let first = first.accepted();
    assert_eq!(again.accepted(), first);
    assert_eq!(elsewhere.accepted(), first);
    assert_eq!(site.log(), log);
    assert_eq!(site.item()["progress"]["N"], "10");
}

#[tokio::test]
async fn repeat_has_its_events_redelivered_once() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let first = json!([stage_complete("a", 1)]);
    let second = json!([stage_complete("b", 2)]);
    site.post(&job, 1, 0, first).await.accepted();
    site.post(&job, 1, 1, second.clone()).await.accepted();

    for _ in 0..3 {
        site.post(&job, 1, 1, second.clone()).await.accepted();
    }

    let deliveries = site.deliveries();
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert_eq!(deliveries[0]["audience"], "all_subscribers");
    assert_eq!(deliveries[0]["after_seq"], 1);
    assert_eq!(deliveries[0]["through_seq"], 2);
}

#[tokio::test]
async fn repeated_end_is_accepted_with_the_status() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let events = json!([stage_complete("a", 1), job_complete()]);

    let first = site.post(&job, 1, 0, events.clone()).await;
    let again = site.post(&job, 1, 0, events).await;

    assert_eq!(first.accepted()["status"], "completed");
    let again = again.accepted();
    assert_eq!(again["status"], "completed");
    assert_eq!(again["seq"], 2);
    assert_eq!(site.log().len(), 2);
}

#[tokio::test]
async fn repeat_with_new_events_at_its_end_publishes_these() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();

    let more = json!([stage_complete("a", 1), stage_complete("b", 2)]);
    let accepted = site.post(&job, 1, 0, more).await;

    assert_eq!(accepted.accepted()["seq"], 2);
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["stage_complete", "stage_complete"]);
    assert_eq!(messages[1]["stage"], "b");
}

#[tokio::test]
async fn large_results_are_compared_in_repeats() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let results = |letter: &str| json!([stage_complete("a", letter.repeat(40_000))]);
    site.post(&job, 1, 0, results("x")).await.accepted();

    let same = site.post(&job, 1, 0, results("x")).await;
    let other = site.post(&job, 1, 0, results("y")).await;

    same.accepted();
    other.refused(409, "seq_conflict");
}

#[tokio::test]
async fn post_that_contradicts_the_log_is_a_conflict() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();
    let log = site.log();

    for events in [
        json!([stage_complete("a", 2)]),
        json!([stage_complete("b", 1)]),
        json!([job_complete()]),
        json!([stage_complete("a", 2), stage_complete("b", 1)]),
    ] {
        let refused = site.post(&job, 1, 0, events.clone()).await;
        let error = refused.refused(409, "seq_conflict");
        assert_eq!(error["seq"], 1, "{events}");
    }
    assert_eq!(site.log(), log);
    assert!(site.deliveries().is_empty());
}

#[tokio::test]
async fn post_that_is_ahead_of_the_log_is_a_conflict() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;

    let refused = site.post(&job, 1, 7, json!([stage_complete("a", 1)])).await;

    let error = refused.refused(409, "seq_conflict");
    assert_eq!(error["after_seq"], 7);
    assert_eq!(error["seq"], 0);
    assert!(site.log().is_empty());
}

#[tokio::test]
async fn repeat_renews_the_lease() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage.clone()).await.accepted();
    site.end_lease();

    site.post(&job, 1, 0, stage).await.accepted();

    let other = site.claim(&job, &["a", "b"]).await;
    other.refused(409, "job_held");
}
