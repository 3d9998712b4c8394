//! `DELETE /v1/jobs/{job_id}`.

use local_aws::Fault;
use serde_json::json as message;
use stagecast_contract::{limits::LEASE_SECONDS, routes::HttpRoute, tables::JobEvents};
use stagecast_core::models::TerminalState;
use stagecast_testing::fixtures::{claimed, external_job, json};

use super::Site;

/// The types of the messages in the log of the test's only job, in order.
fn logged(site: &Site) -> Vec<String> {
    let mut events = site.aws.items::<JobEvents>();
    events.sort_by_key(|event| event["seq"]["N"].as_str().unwrap_or_default().to_owned());
    let types = events.iter().map(|event| {
        let message = event["message"]["S"].as_str().unwrap_or_default();
        let message: serde_json::Value = serde_json::from_str(message).expect("a message");
        message["type"].as_str().unwrap_or_default().to_owned()
    });
    types.collect()
}

#[tokio::test]
async fn queued_job_ends_at_once_and_its_subscribers_are_notified() {
    let site = Site::new();
    let job = site.job().await;

    let accepted = site.ask(HttpRoute::CancelJob, &job).await;

    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.json()["cancel_requested"], true);
    assert_eq!(site.items()[0]["status"]["S"], "cancelled");
    assert_eq!(logged(&site), ["job_cancelled"]);
    let deliveries = site.deliveries();
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert_eq!(deliveries[0]["audience"], "all_subscribers");
    assert_eq!(deliveries[0]["content"], "published");
    assert_eq!(deliveries[0]["through_seq"], 1);
}

#[tokio::test]
async fn running_job_is_only_asked_to_stop() {
    let site = Site::new();
    let job = site.job().await;
    let run = claimed(&site.aws, &site.clock, &job).await;

    let first = site.ask(HttpRoute::CancelJob, &job).await;
    let again = site.ask(HttpRoute::CancelJob, &job).await;

    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(site.items()[0]["status"]["S"], "running");
    assert!(run.poll_cancellation().await.unwrap().cancel_requested);
    assert!(logged(&site).is_empty());
    assert!(site.deliveries().is_empty());
}

#[tokio::test]
async fn ended_job_is_refused_with_its_status() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let completed = TerminalState::Completed;
    run.end(&completed, None, None).await.unwrap();

    let refused = site.ask(HttpRoute::CancelJob, &job).await;

    let error = refused.refused(409, "job_already_finished");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("completed"), "{message}");
    assert!(site.deliveries().is_empty());
}

#[tokio::test]
async fn job_ends_when_its_lease_has_ended() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    run.finish_stage("a", None, json("1")).await.unwrap();
    site.clock.advance(LEASE_SECONDS + 1);

    let accepted = site.ask(HttpRoute::CancelJob, &job).await;

    assert_eq!(accepted.status, 202);
    assert_eq!(logged(&site), ["stage_complete", "job_cancelled"]);
    assert_eq!(site.deliveries()[0]["after_seq"], 1);
    run.renew().await.unwrap_err();
}

#[tokio::test]
async fn stage_that_a_dead_run_logged_is_committed_before_the_end() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    run.finish_stage("a", None, json("1")).await.unwrap_err();
    site.clock.advance(LEASE_SECONDS + 1);

    let accepted = site.ask(HttpRoute::CancelJob, &job).await;

    assert_eq!(accepted.status, 202);
    assert_eq!(logged(&site), ["stage_complete", "job_cancelled"]);
    assert_eq!(site.items()[0]["checkpoints"]["M"]["a"]["N"], "1");
    assert_eq!(site.deliveries()[0]["after_seq"], 0);
    assert_eq!(site.deliveries()[0]["through_seq"], 2);
}

#[tokio::test]
async fn end_that_a_dead_run_logged_takes_precedence() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let completed = TerminalState::Completed;
    run.end(&completed, None, None).await.unwrap_err();
    site.clock.advance(LEASE_SECONDS + 1);

    let refused = site.ask(HttpRoute::CancelJob, &job).await;

    let error = refused.refused(409, "job_already_finished");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("completed"), "{message}");
    assert_eq!(site.items()[0]["status"]["S"], "completed");
    assert_eq!(site.deliveries()[0]["through_seq"], 1);
}

#[tokio::test]
async fn unclaimed_external_job_gets_a_watchdog_before_it_ends() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    // The cancellation is requested, but the end is not written.
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });

    let failed = site.ask(HttpRoute::CancelJob, &job).await;

    failed.refused(500, "internal");
    assert_eq!(site.items()[0]["cancel_requested"]["BOOL"], true);
    assert_eq!(site.watchdogs(), [job.id.as_str()]);
    let again = site.ask(HttpRoute::CancelJob, &job).await;
    assert_eq!(again.status, 202);
    assert_eq!(logged(&site), ["job_cancelled"]);
}

#[tokio::test]
async fn repeat_notifies_subscribers_when_the_first_request_could_not() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let failed = site.ask(HttpRoute::CancelJob, &job).await;
    let undelivered = site.deliveries().len();
    for _ in 0..3 {
        let again = site.ask(HttpRoute::CancelJob, &job).await;
        again.refused(409, "job_already_finished");
    }

    failed.refused(500, "internal");
    assert_eq!(undelivered, 0);
    let deliveries = site.deliveries();
    assert_eq!(deliveries.len(), 1, "one repeat is enough: {deliveries:?}");
    assert_eq!(deliveries[0]["audience"], "all_subscribers");
    assert_eq!(deliveries[0]["after_seq"], 0);
}

#[tokio::test]
async fn repeat_after_a_minute_notifies_no_subscribers() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });
    site.ask(HttpRoute::CancelJob, &job)
        .await
        .refused(500, "internal");
    site.clock.advance(60);

    let again = site.ask(HttpRoute::CancelJob, &job).await;

    again.refused(409, "job_already_finished");
    assert!(site.deliveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn job_ends_once_when_any_update_response_is_lost() {
    for number in 0..3 {
        let site = Site::with_sdk_retries();
        let job = site.job().await;
        site.aws
            .fail(number..number + 1, Fault::LostResponse, |call| {
                call.operation == "dynamodb:UpdateItem"
            });

        let accepted = site.ask(HttpRoute::CancelJob, &job).await;

        assert_eq!(accepted.status, 202, "update {number}");
        assert_eq!(logged(&site), ["job_cancelled"], "update {number}");
        assert_eq!(
            site.deliveries()[0]["content"],
            message!("published"),
            "update {number}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn updates_are_retried_on_conflicts_with_a_transaction() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..3, Fault::Conflict, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    let accepted = site.ask(HttpRoute::CancelJob, &job).await;

    assert_eq!(accepted.status, 202);
    assert_eq!(site.items()[0]["status"]["S"], "cancelled");
}
