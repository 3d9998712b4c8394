//! Tasks for the feed of the owner of a job.

use local_aws::Fault;
use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryKind, DeliveryTask, Recipients},
};
use stagecast_testing::fixtures::{self, TestJob, job_of_owner, subscribed_to_owner};

use super::{Site, connections, log_task};

const OWNER: &str = "user-7";

/// A job of the owner with one finished stage.
async fn job(site: &Site) -> TestJob {
    let job = job_of_owner(&site.aws, &site.clock, 1, OWNER).await;
    let mut run = fixtures::claimed(&site.aws, &site.clock, &job).await;
    let finished = run.finish_stage("a", None, fixtures::json("1")).await;
    finished.expect("the stage can be published");
    job
}

async fn watch(site: &Site, connection_id: &str) {
    subscribed_to_owner(&site.aws, &site.clock, OWNER, &[], connection_id).await;
}

fn created(site: &Site, job_id: JobId) -> DeliveryTask {
    DeliveryTask::created(job_id, site.clock.now().plus_seconds(30).epoch_seconds())
}

#[tokio::test]
async fn task_for_all_subscribers_reaches_the_feed_once_for_each_connection() {
    let site = Site::new();
    let job = job(&site).await;
    site.subscribe(&job, "c1").await;
    for connection in ["c1", "c2"] {
        watch(&site, connection).await;
    }

    assert!(site.deliver(&log_task(&job, 0)).await);

    assert_eq!(site.received("c1"), [1]);
    assert_eq!(site.received("c2"), [1]);
}

#[tokio::test]
async fn tasks_for_the_feed_reach_only_its_subscribers() {
    let site = Site::new();
    let job = job(&site).await;
    site.subscribe(&job, "c0").await;
    for connection in ["c1", "c2", "c3"] {
        watch(&site, connection).await;
    }
    let after = |after: &str| Recipients::OwnerSubscribers {
        after: Some(after.to_owned()),
    };
    let of_feed = Recipients::OwnerConnections(vec!["c1".to_owned(), "c3".to_owned()]);
    for (audience, expected) in [
        (after("c1"), ["c2", "c3"].as_slice()),
        (of_feed, &["c1", "c3"]),
        (connections(&["c0", "c2"]), &["c0", "c2"]),
    ] {
        let task = DeliveryTask {
            audience,
            ..log_task(&job, 0)
        };
        assert!(site.deliver(&task).await);
        for connection in ["c0", "c1", "c2", "c3"] {
            let is_expected = expected.contains(&connection);
            assert_eq!(
                site.received(connection).len(),
                usize::from(is_expected),
                "{connection}"
            );
        }
    }
}

#[tokio::test]
async fn new_job_is_sent_to_the_feed_with_its_snapshot() {
    let site = Site::new();
    let job = job_of_owner(&site.aws, &site.clock, 1, OWNER).await;
    site.subscribe(&job, "c0").await;
    watch(&site, "c1").await;

    assert!(site.deliver(&created(&site, job.id.clone())).await);

    let messages = site.aws.take_messages("c1");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["type"], "job_created");
    assert_eq!(messages[0]["job_id"], job.id.as_str());
    assert_eq!(messages[0]["status"]["status"], "queued");
    assert_eq!(messages[0]["status"]["owner"], OWNER);
    assert!(site.received("c0").is_empty());
}

#[tokio::test]
async fn task_of_a_job_that_is_not_stored_yet_is_repeated_until_its_creation_has_ended() {
    let site = Site::new();
    let job_id: JobId = "job_20240115_ab".parse().expect("an id");
    let task = created(&site, job_id);

    assert!(site.deliver(&task).await);
    assert_eq!(site.queued(), std::slice::from_ref(&task));

    site.clock.advance(30);
    assert!(site.deliver(&task).await);
    assert_eq!(site.queued().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn new_job_is_sent_again_to_a_connection_that_failed() {
    let site = Site::new();
    let job = job_of_owner(&site.aws, &site.clock, 1, OWNER).await;
    for connection in ["c1", "c2"] {
        watch(&site, connection).await;
    }
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Outage));

    assert!(site.deliver(&created(&site, job.id.clone())).await);

    assert_eq!(site.aws.take_messages("c2").len(), 1);
    let queued = site.queued();
    assert_eq!(queued.len(), 1, "{queued:?}");
    assert_eq!(queued[0].audience, connections(&["c1"]));
    assert!(matches!(queued[0].content, DeliveryKind::Created { .. }));
}
