//! Watchdogs of jobs with owners: they free slots that a killed process has left taken.

use stagecast_contract::{
    functions::{DeliveryFunction, WorkerFunction},
    ids::WorkerKey,
    limits::LEASE_SECONDS,
    messages::JobStatus,
    queues::DeliveryTask,
    tables::WorkQueues,
};
use stagecast_core::{
    cancellation::Cancellation,
    models::Job,
    stores::{Claim, ExternalClaim, WaitingOwners},
};
use stagecast_testing::fixtures::{self, TestJob, armed, cancel};

use super::Site;

/// An owner with two jobs, a limit of one running job, and an idle worker.
async fn site() -> (Site, TestJob) {
    let mut site = Site::new();
    site.handler = site.handler.with_owner_limit(1);
    let first = job_of_owner(&site, 1).await;
    job_of_owner(&site, 2).await;
    armed(&site.aws, &site.clock, "plans", "idle").await;
    (site, first)
}

async fn job_of_owner(site: &Site, number: u8) -> TestJob {
    fixtures::waiting_job(&site.aws, &site.clock, number, |mut job| {
        job.owner = Some("a".to_owned());
        job
    })
    .await
}

fn check(job: &TestJob, epoch: u64) -> DeliveryTask {
    DeliveryTask::watchdog(job.id.clone(), Some(epoch))
}

async fn stored(site: &Site, job: &TestJob) -> Job {
    let stores = fixtures::stores::<DeliveryFunction>(&site.aws, &site.clock);
    let job = stores.jobs.load(&job.id).await.expect("it can be read");
    job.expect("the job")
}

async fn owners(site: &Site) -> WaitingOwners {
    let stores = fixtures::stores::<DeliveryFunction>(&site.aws, &site.clock);
    let queue = "plans".parse().expect("a name");
    let owners = stores.waiting.owners(&queue);
    owners.await.expect("they can be read")
}

/// Reserves the slot of the job for its next claim, and deletes the owner's item as a claim that finds the owner at its
/// limit does.
async fn reserve(site: &Site, job: &TestJob) {
    let stores = fixtures::stores::<WorkerFunction>(&site.aws, &site.clock);
    let job = stored(site, job).await;
    let slot = stores.waiting.reserve(&job, job.epoch + 1).await;
    assert!(slot.expect("it can be stored").is_some());
    for owner in owners(site).await.owners {
        assert!(stores.waiting.delete_owner(&owner).await.expect("deleted"));
    }
}

/// Claims the job, whose slot is reserved.
async fn claim(site: &Site, job: &TestJob) {
    let stores = fixtures::stores::<WorkerFunction>(&site.aws, &site.clock);
    let known = stored(site, job).await;
    let key = WorkerKey::new([9; 16]);
    let external = ExternalClaim {
        stages: &[],
        worker_id: None,
        new_key: Some(&key),
    };
    let claimed = stores.jobs.claim_for(&known, external).await;
    let Ok(Claim::Acquired { job, .. }) = claimed else {
        panic!("{claimed:?}");
    };
    stagecast_core::waiting::dequeue(&stores.waiting, &job).await;
}

fn slots(site: &Site) -> usize {
    let items = site.aws.items::<WorkQueues>();
    let is_slot = |entry: &str| entry.starts_with("running#");
    let entries = items.iter().filter_map(|item| item["entry"]["S"].as_str());
    entries.filter(|entry| is_slot(entry)).count()
}

/// Whether the idle worker was notified of the owner's other job, which can be claimed.
async fn is_other_job_available(site: &Site) -> bool {
    let messages = site.aws.take_messages("idle");
    let is_found = !owners(site).await.owners.is_empty() && slots(site) == 0;
    assert_eq!(is_found, !messages.is_empty());
    is_found
}

#[tokio::test]
async fn slot_of_a_job_that_another_process_has_ended_is_freed() {
    let (site, job) = site().await;
    reserve(&site, &job).await;
    claim(&site, &job).await;
    site.clock.advance(LEASE_SECONDS + 10);
    // The function that cancels cannot notify workers. It schedules a check.
    let cancelled = cancel(&site.aws, &site.clock, &job).await;
    assert_eq!(cancelled.unwrap(), Cancellation::Requested);
    assert_eq!(stored(&site, &job).await.status, JobStatus::Cancelled);
    let queued = site.queued();
    assert!(queued.contains(&check(&job, 1)), "{queued:?}");

    assert!(site.deliver(&check(&job, 0)).await);
    assert!(!is_other_job_available(&site).await, "an earlier claim");
    assert!(site.deliver(&check(&job, 1)).await);

    assert!(is_other_job_available(&site).await);
    // A repeated check has nothing to do, and notifies no worker.
    armed(&site.aws, &site.clock, "plans", "other").await;
    assert!(site.deliver(&check(&job, 1)).await);
    assert_eq!(site.aws.take_messages("other").len(), 0);
}

#[tokio::test]
async fn slot_of_a_job_whose_lease_has_ended_is_freed() {
    let (site, job) = site().await;
    reserve(&site, &job).await;
    claim(&site, &job).await;

    site.clock.advance(LEASE_SECONDS + 1);
    assert!(site.deliver(&check(&job, 1)).await);

    assert!(is_other_job_available(&site).await);
}

#[tokio::test]
async fn slot_of_a_released_job_is_freed_if_the_releasing_process_was_killed() {
    let (site, job) = site().await;
    reserve(&site, &job).await;
    claim(&site, &job).await;
    let stores = fixtures::stores::<WorkerFunction>(&site.aws, &site.clock);
    let running = stored(&site, &job).await;
    let due = site.clock.now().plus_seconds(600);
    let released = stores.jobs.hand_back(&running, Some(due)).await;
    released.expect("it is released");

    site.clock.advance(LEASE_SECONDS + 1);
    assert!(site.deliver(&check(&job, 1)).await);

    assert!(is_other_job_available(&site).await);
}

#[tokio::test]
async fn slot_of_a_claim_that_was_never_written_is_freed() {
    let (site, job) = site().await;
    reserve(&site, &job).await;

    // Its request may still write it.
    site.clock.advance(20);
    assert!(site.deliver(&check(&job, 1)).await);
    assert!(!is_other_job_available(&site).await);
    assert_eq!(site.queued(), [check(&job, 1)], "it checks again");
    site.clock.advance(11);
    assert!(site.deliver(&check(&job, 1)).await);

    assert!(is_other_job_available(&site).await);
}
