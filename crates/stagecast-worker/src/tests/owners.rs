//! Claims from queues whose jobs have owners: whose job is next, and the limit of running jobs.

use std::time::Duration;

use futures_util::future::join_all;
use granted_aws::Database;
use local_aws::{Call, Fault};
use serde_json::{Value, json};
use stagecast_contract::{
    functions::{DeliveryFunction, WorkerFunction},
    ids::WorkerToken,
    tables::WorkQueues,
};
use stagecast_core::models::{Job, WaitingJob};
use stagecast_testing::{
    fixtures::{self, TestJob, armed},
    http_api::Answer,
};

use super::{Site, job_complete, stage_complete};

/// The function in a stack whose owners may run this many jobs at the same time.
fn site_with_limit(jobs: u16) -> Site {
    let mut site = Site::new();
    site.handler = site.handler.with_owner_limit(jobs);
    site
}

/// The number-th job of the queue `plans`, of this owner.
async fn job_of(site: &Site, owner: &str, number: u8) -> TestJob {
    job_with(site, owner, number, None).await
}

async fn job_with(site: &Site, owner: &str, number: u8, priority: Option<u8>) -> TestJob {
    fixtures::waiting_job(&site.aws, &site.clock, number, |mut job| {
        (job.owner, job.priority) = (Some(owner.to_owned()), priority);
        job
    })
    .await
}

async fn stored(site: &Site, job: &TestJob) -> Job {
    let stores = fixtures::stores::<DeliveryFunction>(&site.aws, &site.clock);
    let job = stores.jobs.load(&job.id).await.expect("it can be read");
    job.expect("the job")
}

async fn claim(site: &Site, token: &WorkerToken) -> Answer {
    site.claim_from("plans", token.reveal(), &json!({})).await
}

/// Claims the next job a second later, and returns its owner.
async fn next_owner(site: &Site, token: &WorkerToken) -> (String, TestJob) {
    site.clock.advance(1);
    let (_, job) = site.claim_next(token).await;
    let owner = stored(site, &job).await.owner;
    (owner.unwrap_or_default(), job)
}

async fn complete(site: &Site, job: &TestJob) {
    let end = json!([stage_complete("a", 1), job_complete()]);
    site.post(job, 1, 0, end).await.accepted();
}

/// The items of `work_queues` whose sort key begins with `prefix`.
fn items(site: &Site, prefix: &str) -> Vec<Value> {
    let mut items = site.aws.items::<WorkQueues>();
    items.retain(|item| {
        item["entry"]["S"]
            .as_str()
            .is_some_and(|entry| entry.starts_with(prefix))
    });
    items
}

#[tokio::test]
async fn owner_with_one_job_does_not_wait_for_the_jobs_of_another() {
    let site = Site::new();
    let token = site.token().await;
    for number in 1..=20 {
        job_of(&site, "many", number).await;
    }
    job_of(&site, "one", 21).await;

    let (first, _) = next_owner(&site, &token).await;
    let (second, _) = next_owner(&site, &token).await;

    assert_eq!((&*first, &*second), ("many", "one"));
    assert_eq!(items(&site, "running#").len(), 2);
    // The owner without a waiting job has no item any more.
    let owners = items(&site, "owner#");
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(owners[0]["owner"]["S"], "many");
}

#[tokio::test]
async fn owners_have_equally_many_running_jobs() {
    let site = Site::new();
    let token = site.token().await;
    for (number, owner) in (1..).zip(["a", "a", "a", "a", "a", "a", "b", "b", "b", "c"]) {
        job_of(&site, owner, number).await;
    }

    let mut order = String::new();
    for _ in 0..10 {
        order += &next_owner(&site, &token).await.0;
    }

    assert_eq!(order, "abcababaaa");
}

#[tokio::test]
async fn owners_take_turns_if_each_job_ends_before_the_next_claim() {
    let site = Site::new();
    let token = site.token().await;
    for (number, owner) in (1..).zip(["a", "a", "a", "a", "a", "b", "b", "b"]) {
        job_of(&site, owner, number).await;
    }

    let mut order = String::new();
    for _ in 0..8 {
        let (owner, job) = next_owner(&site, &token).await;
        complete(&site, &job).await;
        order += &owner;
    }

    assert_eq!(order, "abababaa");
    assert!(items(&site, "running#").is_empty());
}

#[tokio::test]
async fn priority_comes_before_the_number_of_running_jobs() {
    let site = Site::new();
    let token = site.token().await;
    for number in 1..=3 {
        job_with(&site, "busy", number, Some(9)).await;
    }
    job_with(&site, "idle", 4, Some(8)).await;
    job_with(&site, "busy", 5, Some(8)).await;

    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(next_owner(&site, &token).await.0);
    }

    assert_eq!(order, ["busy", "busy", "busy", "idle", "busy"]);
}

#[tokio::test]
async fn outdated_number_of_running_jobs_is_corrected() {
    let site = Site::new();
    let token = site.token().await;
    for number in 1..=3 {
        job_of(&site, "a", number).await;
    }
    for _ in 0..2 {
        next_owner(&site, &token).await;
    }
    // The items of the owners have outdated numbers: both have no running job as far as they say.
    site.clock.advance(100);
    job_of(&site, "b", 4).await;

    let (owner, _) = next_owner(&site, &token).await;

    assert_eq!(owner, "b", "the other one has two running jobs");
    assert_eq!(items(&site, "owner#")[0]["running"]["N"], "2");
}

#[tokio::test]
async fn owner_at_the_limit_is_left_out_until_a_job_ends() {
    let site = site_with_limit(2);
    let token = site.token().await;
    for number in 1..=3 {
        job_of(&site, "a", number).await;
    }
    let (_, first) = next_owner(&site, &token).await;
    next_owner(&site, &token).await;

    assert_eq!(claim(&site, &token).await.status, 204);
    assert!(
        items(&site, "owner#").is_empty(),
        "no claim reads the owner"
    );
    complete(&site, &first).await;

    let (owner, _) = next_owner(&site, &token).await;
    assert_eq!(owner, "a");
    assert_eq!(items(&site, "running#").len(), 2);
    assert_eq!(claim(&site, &token).await.status, 204);
}

#[tokio::test]
async fn limit_of_one_owner_does_not_hold_up_others() {
    let site = site_with_limit(1);
    let token = site.token().await;
    for number in 1..=30 {
        job_with(&site, "a", number, Some(9)).await;
    }
    job_of(&site, "b", 31).await;
    site.waiting_job(32).await;

    let mut owners = Vec::new();
    for _ in 0..3 {
        owners.push(next_owner(&site, &token).await.0);
    }

    owners[1..].sort();
    assert_eq!(owners, ["a", "", "b"]);
    assert_eq!(claim(&site, &token).await.status, 204);
}

#[tokio::test]
async fn end_of_a_job_wakes_a_worker_if_the_owner_was_at_its_limit() {
    for is_release in [false, true] {
        let site = site_with_limit(1);
        let token = site.token().await;
        for number in 1..=2 {
            job_of(&site, "a", number).await;
        }
        let (_, job) = next_owner(&site, &token).await;
        armed(&site.aws, &site.clock, "plans", "idle").await;
        let waits = json!({"listener": "idle"});
        let empty = site.claim_from("plans", token.reveal(), &waits).await;
        assert_eq!(empty.status, 204);

        if is_release {
            // It can be claimed later. The other job of the owner can be claimed now.
            site.release(&job, 1, 600).await.accepted();
        } else {
            complete(&site, &job).await;
        }

        let messages = site.aws.take_messages("idle");
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!(messages[0]["type"], "job_available");
        let (owner, next) = next_owner(&site, &token).await;
        assert_eq!(owner, "a");
        assert_ne!(next.id, job.id);
    }
}

#[tokio::test]
async fn end_of_a_job_wakes_no_worker_if_nothing_of_the_owner_waits() {
    let site = site_with_limit(1);
    let token = site.token().await;
    job_of(&site, "a", 1).await;
    let (_, job) = next_owner(&site, &token).await;
    armed(&site.aws, &site.clock, "plans", "idle").await;

    complete(&site, &job).await;

    assert_eq!(site.aws.take_messages("idle").len(), 0);
}

#[tokio::test]
async fn jobs_of_all_priorities_are_found_after_the_limit() {
    let site = site_with_limit(1);
    let token = site.token().await;
    for (number, priority) in [(1, 9), (2, 7), (3, 2)] {
        job_with(&site, "a", number, Some(priority)).await;
    }

    let mut order = Vec::new();
    for _ in 0..3 {
        let (_, job) = next_owner(&site, &token).await;
        // It deletes the items of all priorities.
        assert_eq!(claim(&site, &token).await.status, 204);
        assert!(items(&site, "owner#").is_empty());
        complete(&site, &job).await;
        order.push(stored(&site, &job).await.priority);
    }

    assert_eq!(order, [Some(9), Some(7), Some(2)]);
    assert_eq!(claim(&site, &token).await.status, 204);
    assert!(items(&site, "owner#").is_empty());
    assert!(items(&site, "waiting#").is_empty());
}

#[tokio::test(start_paused = true)]
async fn claims_at_the_same_time_do_not_exceed_the_limit() {
    let site = site_with_limit(3);
    let token = site.token().await;
    for number in 1..=20 {
        job_of(&site, "a", number).await;
    }
    let others: Vec<_> = (0..12)
        .map(|_| {
            let mut other = site.other_process();
            other.handler = other.handler.with_owner_limit(3);
            other
        })
        .collect();
    // Each call takes as long as on AWS, so that all overlap.
    let delay = |_: &Call| Some(Fault::Delay(Duration::from_millis(5)));
    site.aws.faults().on_call(delay);

    // A worker whose claim is to be repeated repeats it.
    let mut claimed = 0;
    for round in 0..10 {
        let answers = others.iter().map(|other| claim(other, &token));
        let answers = join_all(answers).await;
        claimed += answers.iter().filter(|it| it.status == 200).count();
        assert!(claimed <= 3, "{claimed} jobs run in round {round}");
        if !answers.iter().any(|it| it.status == 503) {
            break;
        }
    }

    assert_eq!(claimed, 3, "the free slots were found");
    assert_eq!(items(&site, "running#").len(), 3);
}

#[tokio::test]
async fn slot_of_an_interrupted_claim_is_taken_until_the_watchdog_frees_it() {
    let site = site_with_limit(1);
    let token = site.token().await;
    let first = job_of(&site, "a", 1).await;
    job_of(&site, "a", 2).await;
    site.aws.fail(0..1, Fault::Denied, |call| {
        call.caller == "worker" && call.operation == "dynamodb:UpdateItem"
    });

    let failed = claim(&site, &token).await;
    assert_eq!(failed.status, 500);
    assert_eq!(
        items(&site, "running#").len(),
        1,
        "the claim may be written"
    );
    fixtures::cancel(&site.aws, &site.clock, &first)
        .await
        .unwrap();
    let waits = claim(&site, &token).await;

    assert_eq!(waits.status, 204, "until the watchdog frees the slot");
}

#[tokio::test]
async fn entry_of_an_earlier_version_is_claimed_and_counted() {
    let site = site_with_limit(1);
    let token = site.token().await;
    for number in 1..=2 {
        // Entries of all jobs were in the queue itself.
        let job = fixtures::waiting_job(&site.aws, &site.clock, number, |job| {
            let mut job = job.starting_at(Some(site.clock.now().plus_seconds(1)));
            job.owner = Some("a".to_owned());
            job
        })
        .await;
        let mut job = stored(&site, &job).await;
        job.owner = None;
        fixtures::enqueue(&site.aws, &site.clock, &job).await;
    }
    assert_eq!(site.entries().len(), 2);

    let (owner, job) = next_owner(&site, &token).await;
    assert_eq!(owner, "a");
    assert_eq!(claim(&site, &token).await.status, 204);
    assert!(site.entries().is_empty(), "the other one has moved");
    complete(&site, &job).await;

    let (owner, second) = next_owner(&site, &token).await;
    assert_eq!(owner, "a");
    assert_ne!(second.id, job.id);
}

#[tokio::test]
async fn worker_that_claims_its_job_again_keeps_the_slot() {
    let site = site_with_limit(1);
    let token = site.token().await;
    job_of(&site, "a", 1).await;
    job_of(&site, "a", 2).await;
    let body = json!({"worker_id": "gpu-1"});
    let claimed = site.claim_from("plans", token.reveal(), &body).await;
    let job = Site::job_of(&claimed.accepted());

    site.claim_as(&job, "gpu-1").await.accepted();

    assert_eq!(claim(&site, &token).await.status, 204);
    let end = json!([stage_complete("a", 1), job_complete()]);
    site.post(&job, 2, 0, end).await.accepted();
    site.claim_next(&token).await;
}

/// Stores entries of jobs of the owner that do not exist, behind the one of `job`.
async fn fill(site: &Site, owner: &str, job: &TestJob, count: u32) {
    let environment = fixtures::environment::<WorkerFunction>(&site.aws);
    let database = Database::new(&site.aws.config::<WorkerFunction>(), &environment);
    let mut job = stored(site, job).await;
    job.owner = Some(owner.to_owned());
    for number in 0..count {
        job.job_id = format!("job_20260101_{number:016x}")
            .parse()
            .expect("an id");
        job.claimable_since = job.claimable_since.map(|since| since + 1);
        let entry = WaitingJob::of(&job, site.clock.now()).expect("it has a queue");
        let item = entry.to_dynamodb_item().expect("an item");
        let put = database.put_item::<WaitingJob>().set_item(Some(item));
        put.send().await.expect("it can be stored");
    }
}

#[tokio::test]
async fn ten_jobs_are_claimed_beside_a_thousand_and_a_hundred() {
    let site = Site::new();
    let token = site.token().await;
    let mut number = 0;
    for (owner, jobs) in [("large", 1_000), ("medium", 100), ("small", 10)] {
        let mut last = None;
        for _ in 0..jobs.min(15) {
            number += 1;
            last = Some(job_of(&site, owner, number).await);
        }
        fill(&site, owner, &last.expect("a job"), jobs - jobs.min(15)).await;
    }

    let mut claims = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..30 {
        *claims.entry(next_owner(&site, &token).await.0).or_default() += 1;
    }

    // In the order of creation, the first job of `small` would be the 1,101st.
    let claims: Vec<_> = claims.into_iter().collect();
    let each = ["large", "medium", "small"].map(|owner| (owner.to_owned(), 10));
    assert_eq!(claims, each);
}

#[tokio::test]
async fn requests_of_a_claim_do_not_depend_on_the_number_of_jobs_and_owners() {
    let is_call = |call: &Call| call.caller == "worker" && call.operation.starts_with("dynamodb:");
    for (limit, jobs, owners, expected) in [
        (None, 1, 1, 11),
        (None, 2_000, 1, 11),
        (None, 1, 100, 12),
        (Some(5), 200, 1, 12),
    ] {
        let site = limit.map_or_else(Site::new, site_with_limit);
        let token = site.token().await;
        let job = job_of(&site, "a", 1).await;
        fill(&site, "a", &job, jobs - 1).await;
        for owner in 1..owners {
            let mut other = stored(&site, &job).await;
            other.owner = Some(format!("owner-{owner}"));
            fixtures::enqueue(&site.aws, &site.clock, &other).await;
        }
        site.aws.calls().clear();

        let answer = claim(&site, &token).await;

        let calls = site.aws.calls().count(is_call);
        let case = format!("{limit:?}, {jobs} jobs, {owners} owners");
        assert_eq!((answer.status, calls), (200, expected), "{case}");
    }
}
