//! `stage_complete`, and what is wrong with a post.

use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::limits::MAX_EVENTS_BYTES;
use stagecast_testing::fixtures::subscribed;

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test]
async fn finished_stage_is_logged_committed_and_sent() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;

    let accepted = site
        .post(
            &job,
            1,
            0,
            json!([stage_complete("a", json!({"words": 3}))]),
        )
        .await;

    assert_eq!(accepted.accepted()["seq"], 1);
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["stage_complete"]);
    assert_eq!(messages[0]["seq"], 1);
    assert_eq!(messages[0]["results"], json!({"words": 3}));
    assert_eq!(site.log(), messages);
    let item = site.item();
    assert_eq!(item["checkpoints"]["M"]["a"]["N"], "1");
    assert_eq!(item["overall_progress"]["N"], "50");
}

#[tokio::test]
async fn stages_of_one_post_are_sent_in_order() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let events = json!([
        progress("a", 100),
        stage_complete("a", 1),
        progress("b", 50),
        stage_complete("b", 2),
        job_complete(),
    ]);

    let accepted = site.post(&job, 1, 0, events).await.accepted();

    assert_eq!(accepted["seq"], 3);
    assert_eq!(accepted["status"], "completed");
    let mut messages = site.aws.take_messages("c1");
    // A later message may replace progress that has not been posted yet.
    messages.retain(|message| message["type"] != "progress_update");
    assert_eq!(
        types(&messages),
        ["stage_complete", "stage_complete", "job_complete"]
    );
    assert_eq!(site.log(), messages);
}

#[tokio::test]
async fn large_results_are_stored_and_linked_in_the_message() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let large = stage_complete("a", "x".repeat(100_000));

    let events = json!([large, job_complete()]);
    site.post(&job, 1, 0, events).await.accepted();

    let path = format!("/v1/jobs/{}/results?stage=a&sha256=", job.id);
    let logged = site.log();
    assert_eq!(types(&logged), ["stage_complete", "job_complete"]);
    for message in logged {
        assert_eq!(message["results"], Value::Null);
        let url = message["results_url"].as_str().unwrap();
        assert!(url.starts_with(&path), "{url}");
    }
    let calls = site.aws.calls();
    assert_eq!(calls.count(|call| call.operation == "s3:PutObject"), 1);
}

#[tokio::test]
async fn stage_is_not_logged_when_its_results_cannot_be_stored() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let large = json!([stage_complete("a", "x".repeat(100_000))]);
    site.aws
        .fail(0..1, Fault::Outage, |call| call.operation == "s3:PutObject");

    let failed = site.post(&job, 1, 0, large.clone()).await;
    let logged = site.log().len();
    let again = site.post(&job, 1, 0, large).await;

    failed.refused(500, "internal");
    assert_eq!(logged, 0);
    assert_eq!(again.accepted()["seq"], 1);
}

#[tokio::test]
async fn results_are_passed_on_byte_for_byte() {
    // JSON that changes when it is read into numbers, maps and strings and written again.
    const RESULTS: &str = r#"{ "z": [12.917521550408111, 6.7137459245666965e-12, -0, 1e400],
      "big": 123456789012345678901234567890, "a": 1.0, "a": "caf\u00e9 \ud800 \/" }"#;
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let body = |results: &str| {
        format!(
            r#"{{"epoch":1,"after_seq":0,"events":[{{"results":{results},"stage":"a","type":"stage_complete"}}]}}"#
        )
    };

    let first = site.post_text(&job, &body(RESULTS)).await;
    let other_spaces = body(&RESULTS.replace("{ \"z\": [", "{\"z\":["));
    let repeat = site.post_text(&job, &other_spaces).await;
    let other_digit = body(&RESULTS.replace("550408111", "550408113"));
    let changed = site.post_text(&job, &other_digit).await;
    site.end_lease();
    let claimed = site.claim(&job, &["a", "b"]).await;

    first.accepted();
    repeat.accepted();
    changed.refused(409, "seq_conflict");
    let events = site.aws.items::<stagecast_contract::tables::JobEvents>();
    let logged = events[0]["message"]["S"].as_str().unwrap();
    assert!(logged.contains(RESULTS), "{logged}");
    let claimed = String::from_utf8(claimed.body).unwrap();
    assert!(claimed.contains(RESULTS), "{claimed}");
}

#[tokio::test]
async fn events_that_are_invalid_are_refused_and_change_nothing() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let before = site.item();

    for (events, status, code) in [
        (json!([{"type": "stage_done"}]), 400, "unknown_type"),
        (json!([{"stage": "a"}]), 400, "invalid_body"),
        (
            json!([{"type": "stage_complete", "stage": "a"}]),
            400,
            "invalid_body",
        ),
        (json!([progress("a", 101)]), 400, "invalid_body"),
        (json!([progress("c", 1)]), 400, "unknown_stage"),
        (
            json!([stage_complete("a", 1), stage_complete("c", 1)]),
            400,
            "unknown_stage",
        ),
        (
            json!([stage_complete("a", 1), stage_complete("a", 1)]),
            409,
            "stage_finished",
        ),
        (
            json!([stage_complete("a", 1), progress("a", 50)]),
            409,
            "stage_finished",
        ),
        (
            json!([job_complete(), progress("a", 50)]),
            400,
            "invalid_body",
        ),
        (json!([{"type": "job_cancelled"}]), 409, "not_cancelled"),
        (vec![progress("a", 1); 11].into(), 400, "invalid_body"),
    ] {
        let refused = site.post(&job, 1, 0, events.clone()).await;
        let error = refused.refused(status, code);
        assert!(!error["message"].as_str().unwrap().is_empty(), "{events}");
    }
    assert!(site.log().is_empty());
    assert_eq!(site.item(), before);
}

#[tokio::test]
async fn stage_that_has_finished_cannot_go_on() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();

    for event in [progress("a", 50), stage_complete("a", 2)] {
        let refused = site.post(&job, 1, 1, json!([event])).await;
        let error = refused.refused(409, "stage_finished");
        assert_eq!(error["stage"], "a");
        assert_eq!(error["seq"], 1);
    }
}

#[tokio::test]
async fn unknown_stage_is_refused_with_the_stages_of_the_claim() {
    let site = Site::new();
    let job = site.claimed_job(&["split", "count"]).await;

    let refused = site.post(&job, 1, 0, json!([progress("draw", 1)])).await;

    let error = refused.refused(400, "unknown_stage");
    assert_eq!(error["stage"], "draw");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("split, count"), "{message}");
}

#[tokio::test]
async fn body_that_is_no_post_is_refused() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;

    for (body, code) in [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_body"),
        (r#"{"after_seq":0,"events":[]}"#, "invalid_body"),
    ] {
        site.post_text(&job, body).await.refused(400, code);
    }
}

#[tokio::test]
async fn post_that_is_too_large_is_refused_with_the_limit() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let large = stage_complete("a", "x".repeat(MAX_EVENTS_BYTES));

    let refused = site.post(&job, 1, 0, json!([large])).await;

    let error = refused.refused(413, "body_too_large");
    assert_eq!(error["max_bytes"], MAX_EVENTS_BYTES);
}
