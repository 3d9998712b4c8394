use stagecast_contract::{
    messages::JobStatus,
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask},
};
use stagecast_testing::fixtures::{self, claimed};

use super::Site;
use crate::{Cancellation, OperatorError};

/// The tasks that send messages to subscribers.
fn notifications(site: &Site) -> usize {
    let tasks = site.aws.queued::<DeliveryQueue>().into_iter();
    let tasks = tasks.map(|task| serde_json::from_value::<DeliveryTask>(task).expect("a task"));
    tasks
        .filter(|task| task.content == DeliveryKind::Published)
        .count()
}

#[tokio::test]
async fn queued_job_ends_at_once_and_its_subscribers_are_notified() {
    let site = Site::new();
    let job = fixtures::waiting_job(&site.aws, &site.clock, 1, |job| job).await;
    let result = site.operator.cancel(&job.id).await;
    assert_eq!(
        result.expect("it can be cancelled"),
        Cancellation::Requested
    );
    assert_eq!(site.item(&job).await.status, JobStatus::Cancelled);
    assert_eq!(notifications(&site), 1);
    let queue = "plans".parse().expect("a name");
    let left = site.waiting().list(&queue, 10).await.expect("a list");
    assert_eq!(left, []);

    let again = site.operator.cancel(&job.id).await;
    let cancelled = Cancellation::AlreadyFinished(Some(JobStatus::Cancelled));
    assert_eq!(again.expect("it exists"), cancelled);
}

#[tokio::test]
async fn running_job_is_left_to_its_run() {
    let site = Site::new();
    let job = site.job(1, |job| job).await;
    let _publisher = claimed(&site.aws, &site.clock, &job).await;
    let result = site.operator.cancel(&job.id).await;
    assert_eq!(
        result.expect("it can be cancelled"),
        Cancellation::Requested
    );
    let item = site.item(&job).await;
    assert_eq!(
        (item.status, item.cancel_requested),
        (JobStatus::Running, true)
    );
    assert_eq!(notifications(&site), 0);
}

#[tokio::test]
async fn job_that_does_not_exist_is_not_cancelled() {
    let site = Site::new();
    let id = "job_20260101_ab".parse().expect("an id");
    let error = site.operator.cancel(&id).await.expect_err("unknown");
    assert!(matches!(error, OperatorError::NoJob(_)), "{error}");
}
