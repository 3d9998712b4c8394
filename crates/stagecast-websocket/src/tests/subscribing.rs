//! `subscribe`: its permission, its replay, concurrent writers and lost responses.

use local_aws::{Fault, Times};
use serde_json::json as message;
use stagecast_testing::fixtures::{claimed, external_job, json};

use super::{Site, error, subscribe, types};

#[tokio::test]
async fn subscription_is_stored_and_confirmed_with_the_snapshot() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;

    let replies = site.send("c1", subscribe(&job)).await;

    assert_eq!(types(&replies), ["subscribed"]);
    assert_eq!(replies[0]["status"]["status"], "queued");
    assert_eq!(replies[0]["seq"], 0);
    assert_eq!(site.subscribers(), 1);
}

#[tokio::test]
async fn log_is_replayed_once_and_in_order() {
    let site = Site::new();
    let job = site.job(1).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    run.finish_stage("a", Some(50), json(r#"{"rooms":1}"#))
        .await
        .unwrap();
    run.finish_stage("b", Some(90), json(r#"{"rooms":2}"#))
        .await
        .unwrap();
    site.connect("c1", &[]).await;

    let first = site.send("c1", subscribe(&job)).await;
    let again = site.send("c1", subscribe(&job)).await;

    assert_eq!(
        types(&first),
        ["subscribed", "stage_complete", "stage_complete"]
    );
    assert_eq!(first[1]["seq"], 1);
    assert_eq!(first[2]["results"]["rooms"], 2);
    assert_eq!(
        types(&again),
        ["subscribed"],
        "a repeat has no new messages"
    );
}

#[tokio::test]
async fn replay_begins_after_the_seq_that_the_client_has() {
    let site = Site::new();
    let job = site.job(1).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.finish_stage("b", None, json("2")).await.unwrap();
    site.connect("c1", &[]).await;
    let mut request = subscribe(&job);
    request["after_seq"] = 1.into();

    let replies = site.send("c1", request).await;

    assert_eq!(types(&replies), ["subscribed", "stage_complete"]);
    assert_eq!(replies[0]["recovered"], true);
    assert_eq!(replies[1]["stage"], "b");
}

#[tokio::test]
async fn seq_beyond_the_log_is_not_recovered() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    let mut request = subscribe(&job);
    request["after_seq"] = 7.into();

    let replies = site.send("c1", request).await;

    assert_eq!(types(&replies), ["subscribed"]);
    assert_eq!(replies[0]["recovered"], false);
}

#[tokio::test]
async fn wrong_key_and_unknown_job_get_the_same_error() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    let mut wrong_key = subscribe(&job);
    wrong_key["access_key"] = "0".repeat(32).into();
    let mut unknown_job = subscribe(&job);
    unknown_job["job_id"] = "job_20260101_ffffffffffffffff".into();

    let wrong_key = site.send("c1", wrong_key).await;
    let unknown_job = site.send("c1", unknown_job).await;

    assert_eq!(error(&wrong_key), "forbidden");
    assert_eq!(error(&unknown_job), "forbidden");
    assert_eq!(wrong_key[0]["message"], unknown_job[0]["message"]);
    assert_eq!(site.subscribers(), 0);
}

#[tokio::test]
async fn worker_key_cannot_subscribe() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    site.connect("c1", &[]).await;
    let mut request = subscribe(&job);
    request["access_key"] = job.worker_key.reveal().into();

    let refused = site.send("c1", request).await;
    let accepted = site.send("c1", subscribe(&job)).await;

    assert_eq!(error(&refused), "forbidden");
    assert_eq!(types(&accepted), ["subscribed"]);
}

#[tokio::test]
async fn subscription_over_the_limit_is_rejected() {
    let site = Site::with(&[("MAX_SUBSCRIPTIONS", "1")]);
    let (first, second) = (site.job(1).await, site.job(2).await);
    site.connect("c1", &[]).await;
    site.send("c1", subscribe(&first)).await;

    let refused = site.send("c1", subscribe(&second)).await;
    site.send(
        "c1",
        message!({"type": "unsubscribe", "job_id": first.id.as_str()}),
    )
    .await;
    let accepted = site.send("c1", subscribe(&second)).await;

    assert_eq!(error(&refused), "too_many_subscriptions");
    assert_eq!(refused[0]["details"]["max_subscriptions"], 1);
    assert_eq!(types(&accepted), ["subscribed"]);
}

#[tokio::test]
async fn unknown_connection_is_asked_to_connect_again() {
    let site = Site::new();
    let job = site.job(1).await;
    site.aws.connect("c1");

    let refused = site.send("c1", subscribe(&job)).await;

    assert_eq!(error(&refused), "internal");
    assert_eq!(site.subscribers(), 0);
}

#[tokio::test(start_paused = true)]
async fn transaction_conflicts_are_retried() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    let conflicts = Times::new(3);
    site.aws.faults().on_call(move |call| {
        let is_commit = call.operation == "dynamodb:TransactWriteItems";
        (is_commit && conflicts.take()).then_some(Fault::Conflict)
    });

    let replies = site.send("c1", subscribe(&job)).await;

    assert_eq!(types(&replies), ["subscribed"]);
    assert_eq!(site.subscribers(), 1);
}

#[tokio::test(start_paused = true)]
async fn message_published_during_a_subscription_arrives_once() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let once = Times::new(1);
    site.aws.faults().on_call(move |call| {
        // The subscription waits until the stage below has finished.
        let is_commit = call.operation == "dynamodb:TransactWriteItems";
        (is_commit && once.take()).then_some(Fault::Delay(std::time::Duration::from_millis(500)))
    });

    let publish = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        run.finish_stage("a", None, json("1")).await.unwrap();
        run.flush().await;
    };
    let (replies, ()) = tokio::join!(site.send("c1", subscribe(&job)), publish);

    assert_eq!(types(&replies), ["subscribed", "stage_complete"]);
    assert_eq!(replies[0]["seq"], 1);
}

#[tokio::test]
async fn failed_table_is_an_internal_error_with_the_request_id() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    site.aws.faults().on_call(|call| {
        call.operation
            .starts_with("dynamodb:Transact")
            .then_some(Fault::Outage)
    });
    let mut request = subscribe(&job);
    request["request_id"] = "mine".into();

    let refused = site.send("c1", request).await;

    assert_eq!(error(&refused), "internal");
    assert_eq!(refused[0]["request_id"], "mine");
}
