//! The attempts of a delivery, by its receive count.

use local_aws::Fault;
use stagecast_contract::queues::{DeliveryTask, MAX_DELIVERY_ATTEMPTS};

use super::{Site, connections, log_task};

#[tokio::test(start_paused = true)]
async fn unreachable_connection_is_given_up_at_the_last_attempt() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    site.aws.faults().on_post(|_| Some(Fault::Outage));
    let task = DeliveryTask::log(job.id.clone(), connections(&["c1"]), 0);

    let before = site.deliver_again(&task, MAX_DELIVERY_ATTEMPTS - 1).await;
    let last = site.deliver_again(&task, MAX_DELIVERY_ATTEMPTS).await;

    assert!(!before);
    assert!(last, "it does not become a dead letter");
    assert!(site.queued().is_empty());
}

#[tokio::test]
async fn last_attempt_that_a_table_fails_stays_on_the_queue() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:Query"
    });

    let done = site
        .deliver_again(&log_task(&job, 0), MAX_DELIVERY_ATTEMPTS)
        .await;

    assert!(!done);
}

#[tokio::test]
async fn unfinished_delivery_is_sent_to_the_queue_again_once() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    let task = log_task(&job, 0);

    let first = site.deliver_again(&task, MAX_DELIVERY_ATTEMPTS + 1).await;
    let renewed = site.queued();
    let second = site
        .deliver_again(&renewed[0], MAX_DELIVERY_ATTEMPTS + 1)
        .await;

    assert!(first);
    assert_eq!(renewed, [task.renew()]);
    assert!(!second, "it stays on the queue and becomes a dead letter");
    assert_eq!(site.queued().len(), 1);
    assert!(site.received("c1").is_empty());
}

#[tokio::test(start_paused = true)]
async fn rest_of_a_renewed_delivery_has_all_its_attempts() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    site.subscribe(&job, "c1").await;
    site.subscribe(&job, "c2").await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Outage));

    let done = site.deliver(&log_task(&job, 0).renew()).await;

    assert!(done);
    let rest = DeliveryTask::log(job.id.clone(), connections(&["c1"]), 0);
    assert_eq!(site.queued(), [rest]);
}

#[tokio::test]
async fn watchdog_is_executed_after_any_number_of_receives() {
    let site = Site::new();
    let job = site.job().await;
    let check = DeliveryTask::watchdog(job.id.clone(), None);

    let done = site.deliver_again(&check, 400).await;

    assert!(done);
    assert_eq!(site.queued(), [check]);
}
