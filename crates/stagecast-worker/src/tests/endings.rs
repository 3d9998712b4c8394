//! `job_complete`, `job_failed` and `job_cancelled`.

use serde_json::{Value, json};
use stagecast_testing::fixtures::{cancel, subscribed};

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test]
async fn completed_job_has_the_results_of_its_last_stage() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let stage = json!([stage_complete("a", 7)]);
    site.post(&job, 1, 0, stage).await.accepted();
    // The last stage with progress is not always the last one with results.
    let other = json!([progress("b", 50)]);
    site.post(&job, 1, 1, other).await.accepted();

    let accepted = site.post(&job, 1, 1, json!([job_complete()])).await;

    let accepted = accepted.accepted();
    assert_eq!(accepted["status"], "completed");
    assert_eq!(accepted["seq"], 2);
    let messages = site.aws.take_messages("c1");
    let end = messages.last().unwrap();
    assert_eq!(end["type"], "job_complete");
    assert_eq!(end["results"], 7);
    assert_eq!(site.item()["overall_progress"]["N"], "100");
}

#[tokio::test]
async fn job_without_a_finished_stage_completes_without_results() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;

    site.post(&job, 1, 0, json!([job_complete()]))
        .await
        .accepted();

    assert_eq!(site.log()[0]["results"], Value::Null);
}

#[tokio::test]
async fn failed_job_has_the_error_of_the_worker_and_the_running_stage() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let update = json!([progress("a", 10)]);
    site.post(&job, 1, 0, update).await.accepted();
    let error = json!({"code": "no_words", "message": "The text has no words."});

    let failure = json!([{"type": "job_failed", "error": error}]);
    let accepted = site.post(&job, 1, 0, failure).await;

    assert_eq!(accepted.accepted()["status"], "failed");
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["progress_update", "job_failed"]);
    assert_eq!(messages[1]["error"], error);
    assert_eq!(messages[1]["stage"], "a");
    assert_eq!(site.item()["error"]["M"]["code"]["S"], "no_words");
}

#[tokio::test]
async fn failure_between_two_stages_names_no_stage() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let error = json!({"code": "no_words", "message": ""});

    let events = json!([stage_complete("a", 1), {"type": "job_failed", "error": error}]);
    site.post(&job, 1, 0, events).await.accepted();

    assert_eq!(site.log()[1]["stage"], Value::Null);
}

#[tokio::test]
async fn failure_with_an_unknown_stage_and_long_texts_ends_the_job() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let long = "é".repeat(1_467);
    let failure = json!([
        {"type": "progress_update", "stage": "a", "progress": 10.0, "message": long},
        {"type": "job_failed", "stage": "b", "error": {"code": "HTTP 500", "message": long}},
    ]);

    let first = site.post(&job, 1, 0, failure.clone()).await;
    let repeat = site.post(&job, 1, 0, failure).await;

    assert_eq!(first.accepted()["status"], "failed");
    assert_eq!(repeat.accepted()["status"], "failed");
    let end = site.log().remove(0);
    assert_eq!(end["error"]["code"], "HTTP_500");
    assert_eq!(end["stage"], "a");
    let message = end["error"]["message"].as_str().unwrap();
    assert!(message.len() <= 1024 && message.ends_with("é…"));
}

#[tokio::test]
async fn cancelled_job_ends_when_its_worker_stops() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let update = json!([progress("a", 10)]);
    site.post(&job, 1, 0, update).await.accepted();
    let stop = json!([{"type": "job_cancelled"}]);

    let early = site.post(&job, 1, 0, stop.clone()).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    let stopped = site.post(&job, 1, 0, stop).await;

    early.refused(409, "not_cancelled");
    assert_eq!(stopped.accepted()["status"], "cancelled");
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["progress_update", "job_cancelled"]);
    assert_eq!(messages[1]["stage"], "a");
}

#[tokio::test]
async fn nothing_can_be_posted_to_an_ended_job() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let events = json!([stage_complete("a", 1), job_complete()]);
    site.post(&job, 1, 0, events).await.accepted();

    for (after_seq, events) in [
        (2, json!([])),
        (2, json!([progress("b", 2)])),
        (2, json!([progress("b", 2), job_complete()])),
        (2, json!([stage_complete("b", 2)])),
        (1, json!([stage_complete("b", 2)])),
    ] {
        let refused = site.post(&job, 1, after_seq, events.clone()).await;
        let error = refused.refused(409, "job_already_finished");
        assert_eq!(error["status"], "completed", "{events}");
        assert_eq!(error["seq"], 2, "{events}");
    }
    assert_eq!(site.log().len(), 2);
}

#[tokio::test]
async fn post_to_a_job_cancelled_without_its_worker_is_refused() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.end_lease();
    cancel(&site.aws, &site.clock, &job).await.unwrap();

    for events in [
        json!([]),
        json!([progress("a", 50)]),
        json!([stage_complete("a", 1)]),
        json!([job_complete()]),
    ] {
        let refused = site.post(&job, 1, 0, events).await;
        let error = refused.refused(409, "job_already_finished");
        assert_eq!(error["status"], "cancelled");
    }
}
