//! Tasks for the log and for published messages.

use local_aws::Fault;
use stagecast_contract::{
    limits::JOB_TTL_SECONDS,
    queues::{DeliveryKind, DeliveryTask, Recipients},
};
use stagecast_testing::fixtures::json;

use super::{Site, connections, log_task};

#[tokio::test]
async fn log_after_the_seq_is_sent_to_all_subscribers_in_order() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(3).await;
    site.subscribe(&job, "c1").await;
    site.subscribe(&job, "c2").await;

    let done = site.deliver(&log_task(&job, 1)).await;

    assert!(done);
    assert_eq!(site.received("c1"), [2, 3]);
    assert_eq!(site.received("c2"), [2, 3]);
    assert!(site.queued().is_empty());
}

#[tokio::test]
async fn log_is_sent_through_the_last_seq_of_the_task() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(3).await;
    site.subscribe(&job, "c1").await;

    site.deliver(&log_task(&job, 0).through(2)).await;

    assert_eq!(site.received("c1"), [1, 2]);
}

#[tokio::test]
async fn log_is_sent_to_the_connections_of_the_task_only() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    for connection in ["c1", "c2", "c3"] {
        site.subscribe(&job, connection).await;
    }
    let task = DeliveryTask::log(job.id.clone(), connections(&["c1", "c3"]), 0);

    site.deliver(&task).await;

    assert_eq!(site.received("c1"), [1]);
    assert!(site.received("c2").is_empty());
    assert_eq!(site.received("c3"), [1]);
}

#[tokio::test]
async fn event_that_is_not_committed_is_not_sent() {
    let site = Site::new();
    let (job, mut run) = site.job_with_stages(1).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    run.finish_stage("b", None, json("2")).await.unwrap_err();
    site.subscribe(&job, "c1").await;

    for task in [log_task(&job, 0), log_task(&job, 0).through(2)] {
        site.deliver(&task).await;
        assert_eq!(site.received("c1"), [1]);
    }
}

#[tokio::test]
async fn published_message_is_not_sent_to_later_subscribers() {
    let site = Site::new();
    let (job, mut run) = site.job_with_stages(1).await;
    site.subscribe(&job, "before").await;
    run.finish_stage("b", None, json("2")).await.unwrap();
    run.finish_stage("c", None, json("3")).await.unwrap();
    run.flush().await;
    site.received("before");
    site.subscribe(&job, "after").await;
    let one = DeliveryTask {
        content: DeliveryKind::Published,
        ..log_task(&job, 1)
    };

    site.deliver(&one).await;
    let without_a_last_seq = site.received("before");
    site.deliver(&one.through(3)).await;

    assert_eq!(without_a_last_seq, [2], "it stands for one message");
    assert_eq!(site.received("before"), [2, 3]);
    assert!(site.received("after").is_empty(), "it read the log itself");
}

#[tokio::test]
async fn connection_that_has_unsubscribed_is_skipped() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.aws.connect("c1");
    let task = DeliveryTask::log(job.id.clone(), connections(&["c1"]), 0);

    let done = site.deliver(&task).await;

    assert!(done);
    assert!(site.received("c1").is_empty());
}

#[tokio::test]
async fn task_for_subscribers_after_a_connection_is_sent_to_them() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    for connection in ["c1", "c2", "c3"] {
        site.subscribe(&job, connection).await;
    }
    let after = Recipients::SubscribersAfter("c1".to_owned());

    site.deliver(&DeliveryTask::log(job.id.clone(), after, 0))
        .await;

    assert!(site.received("c1").is_empty());
    assert_eq!(site.received("c2"), [1]);
    assert_eq!(site.received("c3"), [1]);
}

#[tokio::test]
async fn task_of_an_expired_job_is_dropped() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.clock.advance(JOB_TTL_SECONDS);

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
}
