//! Posts of a claim that is not the job's last, or whose lease is lost meanwhile.

use std::time::Duration;

use local_aws::Fault;
use serde_json::json;
use stagecast_testing::fixtures::{cancel, external_job, subscribed};
use tokio::{join, time::sleep};

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test]
async fn post_without_a_claim_is_refused_with_the_address_of_claims() {
    let site = Site::new();
    let job = site.job().await;

    for epoch in [0, 1] {
        let refused = site.post(&job, epoch, 0, json!([progress("a", 1)])).await;
        let error = refused.refused(409, "lease_lost");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("/claim"), "{message}");
    }
}

#[tokio::test]
async fn post_with_an_unknown_epoch_is_refused() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;

    let refused = site.post(&job, 7, 0, json!([progress("a", 1)])).await;

    let error = refused.refused(409, "lease_lost");
    assert_eq!(error["epoch"], 1);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("no claim with the epoch 7"), "{message}");
}

#[tokio::test]
async fn post_after_another_claim_is_refused_with_its_epoch() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();
    site.end_lease();
    site.claim(&job, &["a", "b"]).await.accepted();

    for events in [
        json!([]),
        json!([progress("b", 50)]),
        json!([stage_complete("b", 1)]),
        json!([job_complete()]),
    ] {
        let refused = site.post(&job, 1, 1, events).await;
        let error = refused.refused(409, "lease_lost");
        assert_eq!((&error["epoch"], &error["seq"]), (&json!(2), &json!(1)));
    }
    assert_eq!(site.log().len(), 1);
}

#[tokio::test]
async fn late_post_keeps_the_job_without_another_claim() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.end_lease();

    let late = site.post(&job, 1, 0, json!([progress("a", 50)])).await;
    let other = site.claim(&job, &["a"]).await;

    late.accepted();
    other.refused(409, "job_held");
}

#[tokio::test(start_paused = true)]
async fn stage_is_not_committed_when_the_lease_is_lost_meanwhile() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let other = site.other_process();
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            call.operation == "dynamodb:PutItem"
        });
    let taking_over = async {
        sleep(Duration::from_millis(500)).await;
        site.end_lease();
        other.claim(&job, &["a"]).await
    };

    let stage = json!([stage_complete("a", "of the first")]);
    let (lost, claimed) = join!(site.post(&job, 1, 0, stage), taking_over);
    let stage = json!([stage_complete("a", "of the second")]);
    let second = other.post(&job, 2, 0, stage).await;

    claimed.accepted();
    assert_eq!(lost.refused(409, "lease_lost")["epoch"], 2);
    assert_eq!(second.accepted()["seq"], 1);
    assert_eq!(site.log().len(), 1);
    assert_eq!(site.log()[0]["results"], "of the second");
}

#[tokio::test(start_paused = true)]
async fn progress_is_not_written_when_the_lease_is_lost_meanwhile() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let other = site.other_process();
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            call.operation == "dynamodb:UpdateItem"
        });
    let taking_over = async {
        sleep(Duration::from_millis(500)).await;
        site.end_lease();
        other.claim(&job, &["a"]).await
    };

    let update = json!([progress("a", 50)]);
    let (lost, claimed) = join!(site.post(&job, 1, 0, update), taking_over);

    claimed.accepted();
    lost.refused(409, "lease_lost");
    assert_eq!(site.item()["progress"]["N"], "0");
}

#[tokio::test(start_paused = true)]
async fn post_is_refused_when_the_job_is_cancelled_meanwhile() {
    let site = Site::new();
    for (number, events) in [
        (1, json!([])),
        (2, json!([progress("a", 50)])),
        (3, json!([stage_complete("a", 1)])),
    ] {
        let (aws, clock) = (&site.aws, &site.clock);
        let job = external_job(aws, clock, number).await;
        site.claim(&job, &["a"]).await.accepted();
        aws.fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            let is_write = ["dynamodb:PutItem", "dynamodb:UpdateItem"];
            call.caller == "worker" && is_write.contains(&call.operation.as_str())
        });
        let cancelling = async {
            sleep(Duration::from_millis(500)).await;
            site.end_lease();
            cancel(aws, clock, &job).await.unwrap();
        };

        let (refused, ()) = join!(site.post(&job, 1, 0, events), cancelling);

        let error = refused.refused(409, "job_already_finished");
        assert_eq!(error["status"], "cancelled");
    }
}

#[tokio::test]
async fn returning_worker_commits_the_cancellation_in_the_log() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.end_lease();
    // The first update requests the cancellation; the second would end the job.
    site.aws.fail(1..2, Fault::Outage, |call| {
        call.caller == "jobs" && call.operation == "dynamodb:UpdateItem"
    });
    cancel(&site.aws, &site.clock, &job).await.unwrap_err();
    site.aws.faults().clear();

    let stage = json!([stage_complete("a", 1)]);
    let refused = site.post(&job, 1, 0, stage).await;

    let error = refused.refused(409, "job_already_finished");
    assert_eq!(error["status"], "cancelled");
    assert_eq!(types(&site.aws.take_messages("c1")), ["job_cancelled"]);
    assert_eq!(types(&site.log()), ["job_cancelled"]);
}
