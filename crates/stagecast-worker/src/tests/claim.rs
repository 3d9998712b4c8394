//! `POST /v1/jobs/{job_id}/claim`.

use std::time::Duration;

use local_aws::{Call, Fault};
use serde_json::{Value, json};
use stagecast_contract::{
    queues::DeliveryQueue, routes::HttpRoute, tables::JobEvents, timestamp::Timestamp,
};
use stagecast_testing::fixtures::{START, cancel, subscribed};
use tokio::{join, time::sleep};
use typed_contract::tables::Table as _;

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test]
async fn first_claim_gets_the_job_and_starts_a_watchdog() {
    let site = Site::new();
    let job = site.job().await;

    let claimed = site.claim(&job, &["a", "b"]).await.accepted();

    assert_eq!(claimed["job_id"], job.id.as_str());
    assert_eq!(claimed["epoch"], 1);
    assert_eq!(claimed["seq"], 0);
    assert_eq!(claimed["cancel_requested"], false);
    assert_eq!(claimed["content_type"], "text/plain");
    assert_eq!(claimed["finished"], json!([]));
    let until: Timestamp = serde_json::from_value(claimed["lease_expires_at"].clone()).unwrap();
    assert_eq!(until, START.plus_seconds(30));
    assert_eq!(site.item()["status"]["S"], "running");
    assert_eq!(site.watchdogs(), [1]);
    assert!(site.deliveries().is_empty());
}

#[tokio::test]
async fn claim_is_refused_while_another_worker_holds_the_lease() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;

    let at_once = site.claim(&job, &["a"]).await;
    site.clock.advance(30);
    let in_the_last_second = site.claim(&job, &["a"]).await;
    site.clock.advance(1);
    let too_late = site.claim(&job, &["a"]).await;

    let held = at_once.refused(409, "job_held");
    assert_eq!(held["retry_after_seconds"], 31);
    let held = in_the_last_second.refused(409, "job_held");
    assert_eq!(held["retry_after_seconds"], 1);
    assert_eq!(too_late.accepted()["epoch"], 2);
    assert_eq!(site.watchdogs(), [1, 2], "a refused claim starts none");
}

#[tokio::test]
async fn worker_reclaims_its_job_at_once_by_its_id() {
    let site = Site::new();
    let job = site.job().await;
    site.claim_as(&job, "worker-7").await.accepted();

    let again = site.claim_as(&job, "worker-7").await;
    let other = site.claim_as(&job, "worker-8").await;
    let nameless = site.claim(&job, &["a"]).await;

    assert_eq!(again.accepted()["epoch"], 2);
    other.refused(409, "job_held");
    nameless.refused(409, "job_held");
}

#[tokio::test]
async fn takeover_returns_the_finished_stages_and_redelivers_the_log() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", "of the first")]);
    site.post(&job, 1, 0, stage).await.accepted();
    site.end_lease();

    let claimed = site.claim(&job, &["a", "b"]).await.accepted();

    assert_eq!((&claimed["epoch"], &claimed["seq"]), (&json!(2), &json!(1)));
    let finished = json!([{"stage": "a", "results": "of the first"}]);
    assert_eq!(claimed["finished"], finished);
    let deliveries = site.deliveries();
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert_eq!(deliveries[0]["audience"], "all_subscribers");
    assert_eq!(deliveries[0]["content"], "log");
    assert_eq!(deliveries[0]["after_seq"], 0);
    assert_eq!(deliveries[0]["through_seq"], 1);
}

#[tokio::test]
async fn further_takeover_redelivers_nothing_again() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();
    site.end_lease();
    site.claim(&job, &["a", "b"]).await.accepted();
    site.end_lease();

    site.claim(&job, &["a", "b"]).await.accepted();

    assert_eq!(site.deliveries().len(), 1);
}

#[tokio::test]
async fn takeover_reports_a_requested_cancellation() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.end_lease();

    let claimed = site.claim(&job, &["a"]).await.accepted();

    assert_eq!(claimed["cancel_requested"], true);
}

#[tokio::test]
async fn claim_of_an_ended_job_is_refused_with_its_status() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let end = json!([job_complete()]);
    site.post(&job, 1, 0, end).await.accepted();

    let refused = site.claim(&job, &["a"]).await;

    let error = refused.refused(409, "job_already_finished");
    assert_eq!(error["status"], "completed");
    assert_eq!(error["seq"], 1);
    assert_eq!(site.watchdogs(), [1]);
}

#[tokio::test(start_paused = true)]
async fn claim_is_refused_when_the_job_ends_meanwhile() {
    let site = Site::new();
    let job = site.job().await;
    // Between the read of the job and the write of the claim.
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            call.caller == "worker" && call.operation == "sqs:SendMessage"
        });
    let cancelling = async {
        sleep(Duration::from_millis(500)).await;
        cancel(&site.aws, &site.clock, &job).await.unwrap();
    };

    let (claimed, ()) = join!(site.claim(&job, &["a"]), cancelling);

    let error = claimed.refused(409, "job_already_finished");
    assert_eq!(error["status"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn one_of_two_overlapping_claims_gets_the_job() {
    let site = Site::new();
    let job = site.job().await;
    let other = site.other_process();
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            call.operation == "sqs:SendMessage"
        });
    let overtaking = async {
        sleep(Duration::from_millis(500)).await;
        other.claim(&job, &["a"]).await
    };

    let (slow, fast) = join!(site.claim(&job, &["a"]), overtaking);

    assert_eq!(fast.accepted()["epoch"], 1);
    slow.refused(409, "job_held");
}

#[tokio::test(start_paused = true)]
async fn every_claim_has_a_watchdog_when_claims_overlap() {
    let site = Site::new();
    let job = site.job().await;
    let other = site.other_process();
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            call.operation == "sqs:SendMessage"
        });
    let overtaking = async {
        sleep(Duration::from_millis(500)).await;
        other.claim_as(&job, "worker-7").await
    };

    let (slow, fast) = join!(site.claim_as(&job, "worker-7"), overtaking);

    assert_eq!(fast.accepted()["epoch"], 1);
    assert_eq!(slow.accepted()["epoch"], 2);
    let watchdogs = site.watchdogs();
    assert!(watchdogs.contains(&1), "{watchdogs:?}");
    assert!(watchdogs.contains(&2), "{watchdogs:?}");
}

#[tokio::test]
async fn fourth_claim_without_a_finished_stage_fails_the_job() {
    let site = Site::new();
    let job = site.job().await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    for _ in 0..3 {
        site.claim_as(&job, "worker-7").await.accepted();
    }

    let refused = site.claim_as(&job, "worker-7").await;

    let error = refused.refused(409, "job_already_finished");
    assert_eq!(error["status"], "failed");
    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["job_failed"]);
    assert_eq!(messages[0]["error"]["code"], "too_many_attempts");
}

#[tokio::test]
async fn finished_stage_grants_new_claims() {
    let site = Site::new();
    let job = site.job().await;
    let claim = json!({"stages": ["a", "b"], "worker_id": "worker-7"});
    for _ in 0..3 {
        site.claim_with(&job, &claim).await.accepted();
    }
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 3, 0, stage).await.accepted();

    for _ in 0..3 {
        site.claim_with(&job, &claim).await.accepted();
    }
    let refused = site.claim_with(&job, &claim).await;

    refused.refused(409, "job_already_finished");
}

#[tokio::test]
async fn claim_commits_the_stage_that_the_last_worker_logged() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let stage = json!([stage_complete("a", 7)]);
    site.post(&job, 1, 0, stage).await.refused(500, "internal");
    site.end_lease();

    let claimed = site.claim(&job, &["a", "b"]).await.accepted();

    assert_eq!((&claimed["epoch"], &claimed["seq"]), (&json!(2), &json!(1)));
    assert_eq!(claimed["finished"], json!([{"stage": "a", "results": 7}]));
    assert_eq!(types(&site.aws.take_messages("c1")), ["stage_complete"]);
}

#[tokio::test]
async fn claim_commits_the_end_that_the_last_worker_logged() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let end = json!([job_complete()]);
    site.post(&job, 1, 0, end).await.refused(500, "internal");
    site.end_lease();

    let refused = site.claim(&job, &["a"]).await;

    let error = refused.refused(409, "job_already_finished");
    assert_eq!(error["status"], "completed");
    assert_eq!(types(&site.aws.take_messages("c1")), ["job_complete"]);
}

#[tokio::test]
async fn last_claim_continues_when_it_finds_a_stage_in_the_log() {
    let site = Site::new();
    let job = site.job().await;
    let claim = json!({"stages": ["a", "b"], "worker_id": "worker-7"});
    for _ in 0..3 {
        site.claim_with(&job, &claim).await.accepted();
    }
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let stage = json!([stage_complete("a", 7)]);
    site.post(&job, 3, 0, stage).await.refused(500, "internal");

    let claimed = site.claim_with(&job, &claim).await.accepted();

    assert_eq!((&claimed["epoch"], &claimed["seq"]), (&json!(4), &json!(1)));
    assert_eq!(site.item()["attempts_without_progress"]["N"], "0");
}

#[tokio::test]
async fn claims_that_fail_by_an_outage_do_not_count_as_attempts() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..4, Fault::Outage, |call| {
        call.operation == "dynamodb:Query"
    });

    for _ in 0..4 {
        let failed = site.claim_as(&job, "worker-7").await;
        failed.refused(500, "internal");
    }

    let claimed = site.claim_as(&job, "worker-7").await.accepted();
    assert_eq!(claimed["epoch"], 5);
    assert_eq!(site.item()["attempts_without_progress"]["N"], "1");
}

#[tokio::test]
async fn job_is_not_claimed_when_its_watchdog_cannot_be_started() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let failed = site.claim(&job, &["a"]).await;

    failed.refused(500, "internal");
    assert_eq!(site.item()["status"]["S"], "queued");
    assert_eq!(site.item()["epoch"]["N"], "0");
}

#[tokio::test]
async fn claim_whose_response_was_lost_is_repeated_by_its_worker() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    let lost = site.claim_as(&job, "worker-7").await;
    let other = site.claim_as(&job, "worker-8").await;
    let again = site.claim_as(&job, "worker-7").await;

    lost.refused(500, "internal");
    other.refused(409, "job_held");
    assert_eq!(again.accepted()["epoch"], 2);
    assert_eq!(site.watchdogs(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn claim_is_retried_on_conflicts_with_a_transaction() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..3, Fault::Conflict, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    let claimed = site.claim(&job, &["a"]).await.accepted();

    assert_eq!(claimed["epoch"], 1);
}

#[tokio::test]
async fn throttled_claim_is_an_internal_error_and_can_be_repeated() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Throttle, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    let failed = site.claim(&job, &["a"]).await;
    let again = site.claim(&job, &["a"]).await;

    failed.refused(500, "internal");
    assert_eq!(again.accepted()["epoch"], 1);
}

#[tokio::test]
async fn claim_that_is_denied_names_the_policy_as_the_cause() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Denied, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    let error = site.claim(&job, &["a"]).await.refused(500, "internal");

    assert!(error["message"].as_str().unwrap().contains("policy"));
}

#[tokio::test]
async fn invalid_claim_is_rejected_with_the_field() {
    let site = Site::new();
    let job = site.job().await;
    let too_many: Vec<_> = (0..51).map(|number| format!("stage_{number}")).collect();

    for (body, code, field) in [
        ("{".to_owned(), "invalid_json", None),
        ("[]".to_owned(), "invalid_body", None),
        ("{}".to_owned(), "invalid_body", Some("stages")),
        (
            json!({"stages": []}).to_string(),
            "invalid_body",
            Some("stages"),
        ),
        (
            json!({"stages": ["a", "a"]}).to_string(),
            "invalid_body",
            Some("stages"),
        ),
        (
            json!({"stages": ["a/b"]}).to_string(),
            "invalid_body",
            Some("stages"),
        ),
        (
            json!({"stages": too_many}).to_string(),
            "invalid_body",
            Some("stages"),
        ),
        (
            json!({"stages": ["a"], "worker_id": "a b"}).to_string(),
            "invalid_body",
            Some("worker_id"),
        ),
    ] {
        let refused = site.send(HttpRoute::ClaimJob, &job, &body).await;
        let error = refused.refused(400, code);
        if let Some(field) = field {
            let named = error["field"].as_str().unwrap();
            assert!(named.starts_with(field), "{body}: {error}");
        }
    }
    assert_eq!(site.item()["status"]["S"], "queued");
    assert!(site.aws.queued::<DeliveryQueue>().is_empty());
}

#[tokio::test]
async fn new_claim_starts_the_next_attempt_at_its_stage() {
    let site = Site::new();
    let job = site.job().await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let claim = json!({"stages": ["a", "b"], "worker_id": "worker-7"});
    site.claim_with(&job, &claim).await.accepted();
    let events = json!([progress("a", 99)]);
    site.post(&job, 1, 0, events).await.accepted();

    site.claim_with(&job, &claim).await.accepted();
    let events = json!([progress("a", 10)]);
    site.post(&job, 2, 0, events).await.accepted();
    let item = site.item();
    let events = json!([stage_complete("a", 1), progress("b", 20)]);
    site.post(&job, 2, 0, events).await.accepted();

    assert_eq!(item["progress"]["N"], "10");
    assert_eq!(item["attempt"]["N"], "2");
    let mut messages = site.aws.take_messages("c1");
    messages.retain(|message| message["type"] == "progress_update");
    let number = |message: &Value, field: &str| message[field].as_u64().unwrap();
    let seen: Vec<_> = messages
        .iter()
        .map(|it| ["progress", "attempt", "overall_progress"].map(|field| number(it, field)))
        .collect();
    assert_eq!(seen, [[99, 1, 49], [10, 2, 5], [20, 1, 60]]);
}

#[tokio::test]
async fn takeover_names_all_stages_of_a_log_of_several_pages() {
    let site = Site::new();
    let stages: Vec<_> = (0..40).map(|number| format!("stage_{number}")).collect();
    let names: Vec<&str> = stages.iter().map(String::as_str).collect();
    let job = site.claimed_job(&names).await;
    // 1.2 MB in all. A page is at most 1 MB.
    let results = "x".repeat(30_000);
    let mut seq = 0;
    for stages in names.chunks(10) {
        let events = stages.iter().map(|it| stage_complete(it, results.as_str()));
        let accepted = site.post(&job, 1, seq, events.collect()).await;
        seq = accepted.accepted()["seq"].as_u64().unwrap();
    }
    site.end_lease();
    site.aws.calls().clear();

    let claimed = site.claim(&job, &names).await.accepted();

    let pages =
        |call: &Call| call.operation == "dynamodb:Query" && call.resource == JobEvents::SPEC.name;
    assert!(site.aws.calls().count(pages) > 1);
    let finished = claimed["finished"].as_array().unwrap();
    assert_eq!(finished.len(), 40);
    for (stage, name) in finished.iter().zip(names) {
        assert_eq!(stage["stage"], name);
        assert_eq!(stage["results"], results.as_str());
    }
}
