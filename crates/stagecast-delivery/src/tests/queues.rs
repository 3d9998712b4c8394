//! Watchdogs of jobs of queues: a job that becomes claimable gets an entry in its queue.

use local_aws::Fault;
use stagecast_contract::{
    functions::{DeliveryFunction, WorkerFunction},
    ids::WorkerKey,
    limits::{ABANDONED_AFTER_SECONDS, LEASE_SECONDS},
    queues::DeliveryTask,
    tables::WorkQueues,
    time_limits::JobLimits,
};
use stagecast_core::{
    models::Job,
    stores::{Claim, ExternalClaim, WaitingJobStore},
    waiting,
};
use stagecast_testing::fixtures::{self, START, TestJob, cancel};

use super::Site;

fn check(job: &TestJob, epoch: u64) -> DeliveryTask {
    DeliveryTask::watchdog(job.id.clone(), Some(epoch))
}

async fn waiting_job(site: &Site, change: impl FnOnce(Job) -> Job) -> TestJob {
    fixtures::waiting_job(&site.aws, &site.clock, 1, change).await
}

/// The claims before each entry.
fn entries(site: &Site) -> Vec<u64> {
    let items = site.aws.items::<WorkQueues>().into_iter();
    items
        .filter_map(|item| item["epoch"]["N"].as_str()?.parse().ok())
        .collect()
}

/// Claims the job as a worker does, and deletes its entry.
async fn claim(site: &Site, job: &TestJob) {
    let stores = fixtures::stores::<DeliveryFunction>(&site.aws, &site.clock);
    let known = stores.jobs.load(&job.id).await.unwrap().expect("the job");
    let key = WorkerKey::new([9; 16]);
    let external = ExternalClaim {
        stages: &[],
        worker_id: None,
        new_key: Some(&key),
    };
    let claimed = stores.jobs.claim_for(&known, external).await.unwrap();
    let Claim::Acquired { job, .. } = claimed else {
        panic!("{claimed:?}");
    };
    dequeue(&stores.waiting, &job).await;
}

async fn dequeue(store: &WaitingJobStore<DeliveryFunction>, job: &Job) {
    waiting::dequeue(store, job).await;
}

#[tokio::test]
async fn job_with_a_later_start_gets_its_entry_when_it_is_due() {
    let site = Site::new();
    let job = waiting_job(&site, |job| job.starting_at(Some(START.plus_seconds(100)))).await;
    assert_eq!(entries(&site), [0_u64; 0]);

    site.clock.advance(99);
    assert!(site.deliver(&check(&job, 0)).await);
    let early = entries(&site);
    site.clock.advance(1);
    assert!(site.deliver(&check(&job, 0)).await);

    assert_eq!((early, entries(&site)), (vec![], vec![0]));
    let item = &site.aws.items::<WorkQueues>()[0];
    let entry = item["entry"]["S"].as_str().unwrap();
    let due = START.plus_seconds(100).epoch_seconds() * 1000;
    assert!(entry.starts_with(&format!("waiting#4#{due}#")), "{entry}");
    assert_eq!(site.queued().len(), 2, "it checks again");
}

#[tokio::test]
async fn job_is_back_in_its_queue_in_the_second_after_its_lease() {
    let site = Site::new();
    let job = waiting_job(&site, |job| job).await;
    claim(&site, &job).await;
    assert_eq!(entries(&site), [0_u64; 0]);

    site.clock.advance(LEASE_SECONDS);
    assert!(site.deliver(&check(&job, 1)).await);
    let within = entries(&site);
    site.clock.advance(1);
    assert!(site.deliver(&check(&job, 1)).await);

    assert_eq!((within, entries(&site)), (vec![], vec![1]));
    // A check for the claim before does nothing.
    claim(&site, &job).await;
    site.clock.advance(LEASE_SECONDS + 1);
    assert!(site.deliver(&check(&job, 1)).await);
    assert_eq!(entries(&site), [0_u64; 0]);
}

#[tokio::test]
async fn waiting_job_is_not_failed_as_lost() {
    let site = Site::new();
    let job = waiting_job(&site, |job| job).await;
    claim(&site, &job).await;
    site.clock
        .advance(LEASE_SECONDS + ABANDONED_AFTER_SECONDS + 100);

    assert!(site.deliver(&check(&job, 1)).await);

    assert_eq!(site.item()["status"]["S"], "running");
    assert_eq!(entries(&site), [1]);
    assert_eq!(site.queued(), [check(&job, 1)], "it checks again");
}

#[tokio::test]
async fn entry_that_was_lost_is_stored_again() {
    let site = Site::new();
    let job = waiting_job(&site, |job| job).await;
    let stores = fixtures::stores::<WorkerFunction>(&site.aws, &site.clock);
    let entry = stores
        .waiting
        .first(&"plans".parse().unwrap(), None, 1)
        .await
        .unwrap()
        .remove(0);
    stores.waiting.delete_unchanged(&entry).await.unwrap();

    assert!(site.deliver(&check(&job, 0)).await);

    assert_eq!(entries(&site), [0]);
}

#[tokio::test]
async fn check_is_repeated_if_the_entry_cannot_be_stored() {
    let site = Site::new();
    let job = waiting_job(&site, |job| job.starting_at(Some(START.plus_seconds(5)))).await;
    site.clock.advance(5);
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });

    assert!(site.deliver(&check(&job, 0)).await);
    assert_eq!(entries(&site), [0_u64; 0]);
    assert_eq!(site.queued(), [check(&job, 0)]);
    assert!(site.deliver(&check(&job, 0)).await);

    assert_eq!(entries(&site), [0]);
}

#[tokio::test]
async fn job_over_its_queue_limit_fails_and_leaves_its_queue() {
    let site = Site::new();
    let job = waiting_job(&site, |job| {
        job.limited(JobLimits {
            queue_seconds: Some(10),
            run_seconds: None,
        })
    })
    .await;
    site.clock.advance(11);

    assert!(site.deliver(&check(&job, 0)).await);

    assert_eq!(site.item()["error"]["M"]["code"]["S"], "queue_timeout");
    assert_eq!(entries(&site), [0_u64; 0]);
}

#[tokio::test]
async fn cancelled_job_of_a_dead_worker_is_not_put_back() {
    let site = Site::new();
    let job = waiting_job(&site, |job| job).await;
    claim(&site, &job).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.clock.advance(LEASE_SECONDS + 1);
    assert!(site.deliver(&check(&job, 1)).await);
    assert_eq!(entries(&site), [0_u64; 0]);

    site.clock.advance(10);
    assert!(site.deliver(&check(&job, 1)).await);

    assert_eq!(site.item()["status"]["S"], "cancelled");
    assert_eq!(entries(&site), [0_u64; 0]);
}
