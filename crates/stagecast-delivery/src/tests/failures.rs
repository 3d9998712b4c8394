//! Connections that cannot be reached or are gone, and services that fail.

use std::time::Duration;

use local_aws::{Call, Fault, Times};
use stagecast_contract::{
    limits::CONNECTION_TTL_SECONDS,
    queues::{DeliveryKind, DeliveryTask},
    tables::{Connections, JobEvents, Jobs, Subscribers},
};
use stagecast_testing::fixtures::{claimed, json};
use typed_contract::tables::Table as _;

use super::{Site, connections, log_task, message};

#[tokio::test]
async fn failure_is_reported_for_its_message_only() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    let task = serde_json::to_string(&log_task(&job, 0)).unwrap();

    let failed = site
        .receive(vec![
            message("first", &task),
            message("second", "no task"),
            message("third", &task),
        ])
        .await;

    assert_eq!(failed, ["second"]);
    assert_eq!(site.received("c1"), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn single_connection_that_cannot_be_reached_stays_on_the_queue() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    site.aws.faults().on_post(|_| Some(Fault::Outage));

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(!done);
    assert!(site.queued().is_empty(), "its receives are counted");
}

#[tokio::test(start_paused = true)]
async fn connection_that_fails_among_others_is_queued_alone() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(2).await;
    site.subscribe(&job, "c1").await;
    site.subscribe(&job, "c2").await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Outage));

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done, "the others would get everything again");
    assert_eq!(site.received("c2"), [1, 2]);
    let rest = DeliveryTask::log(job.id.clone(), connections(&["c1"]), 0);
    assert_eq!(site.queued(), [rest]);
}

#[tokio::test(start_paused = true)]
async fn published_message_is_queued_alone_with_its_last_seq() {
    let site = Site::new();
    let job = site.job().await;
    site.subscribe(&job, "c1").await;
    site.subscribe(&job, "c2").await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    for stage in ["a", "b"] {
        run.finish_stage(stage, None, json("1")).await.unwrap();
    }
    run.flush().await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Outage));
    let task = DeliveryTask {
        content: DeliveryKind::Published,
        ..log_task(&job, 0)
    };

    site.deliver(&task).await;

    let rest = DeliveryTask {
        audience: connections(&["c1"]),
        through_seq: Some(1),
        ..task
    };
    assert_eq!(site.queued(), [rest]);
}

#[tokio::test(start_paused = true)]
async fn connection_that_received_a_part_is_queued_with_the_rest() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(3).await;
    site.subscribe(&job, "c1").await;
    let first = Times::new(1);
    site.aws
        .faults()
        .on_post(move |_| (!first.take()).then_some(Fault::Outage));

    let done = site.deliver(&log_task(&job, 0).through(3)).await;

    assert!(done, "another receive would send the first part again");
    assert_eq!(site.received("c1"), [1]);
    let rest = DeliveryTask::log(job.id.clone(), connections(&["c1"]), 1);
    assert_eq!(site.queued(), [rest.through(3)]);
}

#[tokio::test(start_paused = true)]
async fn unresponsive_connection_does_not_delay_others() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(2).await;
    site.subscribe(&job, "fast").await;
    site.subscribe(&job, "slow").await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "slow").then_some(Fault::Hang));

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
    assert_eq!(site.received("fast"), [1, 2]);
    let rest = DeliveryTask::log(job.id.clone(), connections(&["slow"]), 0);
    assert_eq!(site.queued(), [rest]);
}

#[tokio::test(start_paused = true)]
async fn rest_is_queued_when_the_time_of_the_invocation_is_up() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(13).await;
    site.subscribe(&job, "fast").await;
    site.subscribe(&job, "slow").await;
    // Each post succeeds in time, but all of them together exceed the time of the invocation.
    site.aws.faults().on_post(|post| {
        let delay = Fault::Delay(Duration::from_millis(2800));
        (post.connection_id == "slow").then_some(delay)
    });

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
    assert_eq!(site.received("fast"), (1..=13).collect::<Vec<_>>());
    let sent = site.received("slow");
    let last = *sent.last().unwrap();
    assert!((1..13).contains(&last), "{sent:?}");
    let rest = DeliveryTask::log(job.id.clone(), connections(&["slow"]), last);
    assert_eq!(site.queued(), [rest]);
}

#[tokio::test(start_paused = true)]
async fn throttled_posts_are_retried() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(2).await;
    site.subscribe(&job, "c1").await;
    let storm = Times::new(3);
    site.aws
        .faults()
        .on_post(move |_| storm.take().then_some(Fault::Throttle));

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
    assert_eq!(site.received("c1"), [1, 2]);
}

#[tokio::test]
async fn permanently_refused_message_is_not_queued_again() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    site.aws.faults().on_post(|_| Some(Fault::Denied));

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
    assert!(site.queued().is_empty());
}

#[tokio::test]
async fn items_of_a_gone_connection_are_deleted() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(2).await;
    site.subscribe(&job, "gone").await;
    site.subscribe(&job, "here").await;
    site.aws.disconnect("gone");

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
    assert_eq!(site.received("here"), [1, 2]);
    assert!(site.queued().is_empty());
    for items in [
        site.aws.items::<Connections>(),
        site.aws.items::<Subscribers>(),
    ] {
        assert!(!items.is_empty());
        assert!(
            items
                .iter()
                .all(|item| item["connection_id"]["S"] == "here")
        );
    }
}

#[tokio::test]
async fn delivery_renews_the_items_of_a_connection() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    site.clock.advance(CONNECTION_TTL_SECONDS / 2);

    site.deliver(&log_task(&job, 0)).await;

    let until = site.clock.now().plus_seconds(CONNECTION_TTL_SECONDS);
    let until = until.epoch_seconds().to_string();
    let mut items = site.aws.items::<Connections>();
    items.extend(site.aws.items::<Subscribers>());
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|item| item["expires_at"]["N"] == until));
}

#[tokio::test]
async fn task_stays_on_the_queue_when_a_table_cannot_be_read() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;

    let reads = |table: &'static str| move |call: &Call| call.resource == table;
    for table in [
        Jobs::SPEC.name,
        JobEvents::SPEC.name,
        Subscribers::SPEC.name,
    ] {
        site.aws.fail(0..1, Fault::Outage, reads(table));
        assert!(!site.deliver(&log_task(&job, 0)).await, "{table}");
        assert!(site.received("c1").is_empty(), "{table}");
    }
    assert!(site.deliver(&log_task(&job, 0)).await);
    assert_eq!(site.received("c1"), [1]);
}

#[tokio::test(start_paused = true)]
async fn task_stays_on_the_queue_when_its_rest_cannot_be_queued() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    site.subscribe(&job, "c2").await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Outage));
    site.aws
        .faults()
        .on_call(|call| call.operation.starts_with("sqs:").then_some(Fault::Outage));

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(!done);
}
