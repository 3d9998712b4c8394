//! `progress_update` and heartbeats.

use std::time::Duration;

use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::timestamp::Timestamp;
use stagecast_testing::fixtures::{START, cancel, external_job, subscribed};
use tokio::join;

use super::{Site, progress, stage_complete};

/// The percentages of the stage and of the job in each message.
fn percentages(messages: &[Value]) -> Vec<(u64, u64)> {
    let percentages = messages.iter().map(|message| {
        let percent = |field: &str| message[field].as_u64().unwrap();
        (percent("progress"), percent("overall_progress"))
    });
    percentages.collect()
}

#[tokio::test]
async fn progress_reaches_the_subscriber_and_renews_the_lease() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.clock.advance(20);

    let accepted = site.post(&job, 1, 0, json!([progress("a", 50)])).await;

    let accepted = accepted.accepted();
    assert_eq!(accepted["seq"], 0);
    assert_eq!(accepted["status"], "running");
    assert_eq!(accepted["cancel_requested"], false);
    let until: Timestamp = serde_json::from_value(accepted["lease_expires_at"].clone()).unwrap();
    assert_eq!(until, START.plus_seconds(50));
    let messages = site.aws.take_messages("c1");
    assert_eq!(percentages(&messages), [(50, 25)]);
    assert_eq!(messages[0]["stage"], "a");
    assert_eq!(messages[0]["message"], "Working...");
    assert_eq!(messages[0]["attempt"], 1);
    let lease = START.plus_seconds(50).epoch_seconds().to_string();
    assert_eq!(site.item()["lease_expires_at"]["N"], lease);
}

#[tokio::test]
async fn progress_never_decreases_within_an_attempt() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;

    for percent in [60, 30, 70] {
        let events = json!([progress("a", percent)]);
        site.post(&job, 1, 0, events).await.accepted();
    }

    let messages = site.aws.take_messages("c1");
    assert_eq!(percentages(&messages), [(60, 60), (60, 60), (70, 70)]);
}

#[tokio::test]
async fn only_the_last_of_successive_updates_is_written() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.calls().clear();
    let events = json!([progress("a", 10), progress("a", 60), progress("a", 20)]);

    site.post(&job, 1, 0, events).await.accepted();

    assert_eq!(percentages(&site.aws.take_messages("c1")), [(60, 30)]);
    let calls = site.aws.calls();
    assert_eq!(
        calls.count(|call| call.operation == "dynamodb:UpdateItem"),
        1
    );
}

#[tokio::test]
async fn worker_may_give_the_overall_progress_and_the_remaining_time() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let mut update = progress("a", 10);
    update["overall_progress"] = json!(90);
    update["estimated_seconds_remaining"] = json!(7);

    site.post(&job, 1, 0, json!([update])).await.accepted();

    let messages = site.aws.take_messages("c1");
    assert_eq!(percentages(&messages), [(10, 90)]);
    assert_eq!(messages[0]["estimated_seconds_remaining"], 7);
}

#[tokio::test]
async fn remaining_time_is_estimated_across_posts_and_processes() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let other = site.other_process();

    let start = json!([progress("a", 0)]);
    site.post(&job, 1, 0, start).await.accepted();
    site.clock.advance(10);
    let half = json!([progress("a", 50)]);
    other.post(&job, 1, 0, half).await.accepted();

    let messages = site.aws.take_messages("c1");
    assert_eq!(messages[0]["estimated_seconds_remaining"], Value::Null);
    assert_eq!(messages[1]["estimated_seconds_remaining"], 10);
}

#[tokio::test]
async fn progress_from_before_a_finished_stage_only_renews_the_lease() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let events = json!([stage_complete("a", 1), progress("b", 30)]);
    site.post(&job, 1, 0, events).await.accepted();
    let before = site.item();
    site.clock.advance(20);

    let late = site.post(&job, 1, 0, json!([progress("a", 10)])).await;

    assert_eq!(late.accepted()["seq"], 1);
    for field in ["stage", "progress", "overall_progress"] {
        assert_eq!(site.item()[field], before[field], "{field}");
    }
    let lease = START.plus_seconds(50).epoch_seconds().to_string();
    assert_eq!(site.item()["lease_expires_at"]["N"], lease);
}

#[tokio::test(start_paused = true)]
async fn progress_that_another_post_has_passed_does_not_overwrite_it() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    // The job is read, then written by the other post, before this one's write.
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_millis(20)), |call| {
            call.operation == "dynamodb:UpdateItem"
        });
    let other = site.other_process();

    let (slow, fast) = join!(
        site.post(&job, 1, 0, json!([progress("a", 10)])),
        other.post(&job, 1, 0, json!([progress("a", 60)])),
    );

    slow.accepted();
    fast.accepted();
    assert_eq!(site.item()["progress"]["N"], "60");
}

#[tokio::test]
async fn amount_of_work_is_sent_and_removed_with_the_end_of_its_stage() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let mut update = progress("a", 24);
    update["completed"] = json!(1200);
    update["total"] = json!(5000);
    update["unit"] = json!("rows");
    site.post(&job, 1, 0, json!([update])).await.accepted();

    let message = &site.aws.take_messages("c1")[0];
    assert_eq!(message["completed"], 1200);
    assert_eq!(message["total"], 5000);
    assert_eq!(message["unit"], "rows");
    assert_eq!(message["indeterminate"], Value::Null);
    site.post(&job, 1, 0, json!([progress("a", 30)]))
        .await
        .accepted();
    assert_eq!(site.aws.take_messages("c1")[0]["completed"], Value::Null);
    let mut unknown = progress("a", 30);
    unknown["completed"] = json!(7);
    unknown["indeterminate"] = json!(true);
    let complete = json!({"type": "stage_complete", "stage": "a", "results": 1});
    site.post(&job, 1, 0, json!([unknown])).await.accepted();
    assert_eq!(
        site.item()["work_amount"]["M"]["indeterminate"]["BOOL"],
        true
    );
    site.post(&job, 1, 0, json!([complete])).await.accepted();
    assert_eq!(site.item()["work_amount"], Value::Null);
}

#[tokio::test]
async fn second_job_of_the_same_stages_has_an_estimate_with_its_first_update() {
    let site = Site::new();
    let first = site.claimed_job(&["a"]).await;
    site.post(&first, 1, 0, json!([progress("a", 0)]))
        .await
        .accepted();
    site.clock.advance(20);
    let complete = json!({"type": "stage_complete", "stage": "a", "results": 1});
    site.post(&first, 1, 0, json!([complete, {"type": "job_complete"}]))
        .await
        .accepted();

    let second = external_job(&site.aws, &site.clock, 2).await;
    site.claim(&second, &["a"]).await.accepted();
    subscribed(&site.aws, &site.clock, &second, "c2").await;
    site.post(&second, 1, 0, json!([progress("a", 0)]))
        .await
        .accepted();

    let message = &site.aws.take_messages("c2")[0];
    // The stored logarithm has seven digits, and the seconds are rounded up.
    let remaining = message["estimated_seconds_remaining"].as_u64();
    assert!(matches!(remaining, Some(20 | 21)), "{remaining:?}");
}

#[tokio::test]
async fn heartbeat_renews_the_lease_with_one_write_and_sends_nothing() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.clock.advance(20);
    site.aws.calls().clear();

    let accepted = site.post(&job, 1, 0, json!([])).await;

    accepted.accepted();
    let lease = START.plus_seconds(50).epoch_seconds().to_string();
    assert_eq!(site.item()["lease_expires_at"]["N"], lease);
    assert!(site.aws.take_messages("c1").is_empty());
    let calls = site.aws.calls();
    assert_eq!(
        calls.count(|call| call.operation == "dynamodb:UpdateItem"),
        1
    );
}

#[tokio::test]
async fn every_kind_of_post_reports_a_requested_cancellation() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();

    for (after_seq, events) in [
        (0, json!([])),
        (0, json!([progress("a", 10)])),
        (0, json!([stage_complete("a", 1)])),
        // A repeat, and progress from before.
        (0, json!([stage_complete("a", 1)])),
        (0, json!([progress("a", 20)])),
    ] {
        let accepted = site.post(&job, 1, after_seq, events.clone()).await;
        assert_eq!(accepted.accepted()["cancel_requested"], true, "{events}");
    }
}
