//! Claims without stages: the worker names them as it goes.

use serde_json::{Value, json};

use super::{Site, job_complete, progress, stage_complete};

#[tokio::test]
async fn overall_progress_assumes_one_more_stage_and_never_goes_back() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;

    let mut shown = Vec::new();
    for (seq, event) in [
        (0, progress("decode", 0)),
        (0, progress("decode", 50)),
        (0, progress("decode", 100)),
        (0, stage_complete("decode", 1)),
        (1, progress("transcribe", 10)),
        (1, progress("transcribe", 60)),
        (1, stage_complete("transcribe", 2)),
        (2, stage_complete("never_started", 3)),
        (3, job_complete()),
    ] {
        site.post(&job, 1, seq, json!([event])).await.accepted();
        shown.push(
            site.item()["overall_progress"]["N"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }

    // floor(100 * (finished + p/100) / (started + 1))
    assert_eq!(
        shown,
        ["0", "25", "50", "50", "50", "53", "66", "75", "100"]
    );
}

#[tokio::test]
async fn name_of_a_stage_is_checked_and_their_number_is_limited() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;

    let events = json!([progress("a", 1), progress("no name", 1)]);
    let invalid = site.post(&job, 1, 0, events).await;
    let error = invalid.refused(400, "invalid_body");
    assert_eq!(error["field"], "events[1].stage");
    for first in (0..50).step_by(10) {
        let stages = (first..first + 10).map(|it| stage_complete(&format!("s{it}"), it));
        let stages: Vec<Value> = stages.collect();
        site.post(&job, 1, first, json!(stages)).await.accepted();
    }
    let one_more = site.post(&job, 1, 50, json!([progress("s50", 1)])).await;
    let error = one_more.refused(400, "invalid_body");
    assert_eq!(error["field"], "events[0].stage");
    let finished = site.post(&job, 1, 50, json!([progress("s7", 1)])).await;
    finished.refused(409, "stage_finished");
    let failed =
        json!([{"type": "job_failed", "stage": "no name", "error": {"code": "a", "message": "b"}}]);
    site.post(&job, 1, 50, failed).await.accepted();
    assert!(site.log()[50].get("stage").is_none(), "{}", site.log()[50]);
}

#[tokio::test]
async fn failure_names_a_stage_without_progress() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;
    let failed =
        json!([{"type": "job_failed", "stage": "load", "error": {"code": "a", "message": "b"}}]);
    site.post(&job, 1, 0, failed).await.accepted();
    assert_eq!(site.log()[0]["stage"], "load");
}

#[tokio::test]
async fn claim_that_declares_stages_accepts_no_others() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let body = json!({"stages": ["a"]});
    let claimed = site.claim_from("plans", token.reveal(), &body).await;
    let job = Site::job_of(&claimed.accepted());
    let other = site.post(&job, 1, 0, json!([progress("b", 1)])).await;
    other.refused(400, "unknown_stage");
}

#[tokio::test]
async fn history_of_stages_is_neither_read_nor_written() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;
    site.post(&job, 1, 0, json!([progress("a", 0)]))
        .await
        .accepted();
    site.clock.advance(10);
    site.post(&job, 1, 0, json!([progress("a", 50)]))
        .await
        .accepted();
    // Ten more seconds of this stage, and the one that is assumed to follow takes as long as this one.
    assert_eq!(site.item()["estimated_seconds_remaining"]["N"], "30");
    site.clock.advance(10);
    let end = json!([stage_complete("a", 1), job_complete()]);
    site.post(&job, 1, 0, end).await.accepted();
    assert_eq!(
        site.aws.items::<stagecast_contract::tables::Jobs>().len(),
        1
    );
}
