use stagecast_contract::{messages::JobStatus, queues::DeliveryQueue};
use stagecast_core::models::Creation;
use stagecast_testing::fixtures;

use super::Site;
use crate::list::{JobFilter, JobList};

fn ids(list: &JobList) -> Vec<String> {
    let ids = list.jobs.iter().map(|job| job.job_id.to_string());
    ids.collect()
}

fn of_queue() -> JobFilter {
    JobFilter {
        queue: Some("plans".parse().expect("a name")),
        ..JobFilter::default()
    }
}

#[tokio::test]
async fn jobs_of_a_queue_are_read_from_its_index_in_the_order_of_claims() {
    let site = Site::new();
    let urgent = |mut job: stagecast_core::models::Job| {
        job.priority = Some(9);
        job
    };
    let first = fixtures::waiting_job(&site.aws, &site.clock, 1, |job| job).await;
    let second = fixtures::waiting_job(&site.aws, &site.clock, 2, |job| job).await;
    let third = fixtures::waiting_job(&site.aws, &site.clock, 3, urgent).await;
    // Its entry is left: it was cancelled, and the process was killed before it deleted the entry.
    let cancelled = fixtures::waiting_job(&site.aws, &site.clock, 4, |job| job).await;
    let entry = site.item(&cancelled).await;
    fixtures::cancel(&site.aws, &site.clock, &cancelled)
        .await
        .expect("it can be cancelled");
    site.waiting().put(&entry).await.expect("an entry");

    let list = site.operator.list(&of_queue(), 10, 100).await;
    let list = list.expect("the queue can be read");
    let expected = [&third, &first, &second].map(|job| job.id.to_string());
    assert_eq!(ids(&list), expected);
    assert_eq!((list.has_more, list.scan), (false, None));
    let scans = site
        .aws
        .calls()
        .count(|call| call.operation == "dynamodb:Scan");
    assert_eq!(scans, 0);

    let two = site.operator.list(&of_queue(), 2, 100).await;
    let two = two.expect("the queue can be read");
    assert_eq!((two.jobs.len(), two.has_more), (2, true));
}

#[tokio::test]
async fn jobs_of_an_owner_are_listed_newest_first_by_status_and_label() {
    let site = Site::new();
    for number in 1..=4_u8 {
        let job = site
            .job(number, |mut job| {
                job.owner = Some("user-7".to_owned());
                if number % 2 == 0 {
                    job.labels.insert("team".to_owned(), "maps".to_owned());
                }
                if number == 4 {
                    super::with_failure(job)
                } else {
                    job
                }
            })
            .await;
        site.own(&site.item(&job).await, u64::from(number)).await;
    }
    let mut filter = JobFilter {
        owner: Some("user-7".to_owned()),
        ..JobFilter::default()
    };
    let all = site.operator.list(&filter, 3, 100).await.expect("a list");
    let failed = all.jobs.first().expect("a job");
    assert_eq!(failed.status, JobStatus::Failed);
    assert_eq!((all.jobs.len(), all.has_more), (3, true));

    filter.labels.insert("team".to_owned(), "maps".to_owned());
    filter.statuses = vec![JobStatus::Queued];
    let queued = site.operator.list(&filter, 3, 100).await.expect("a list");
    assert_eq!((queued.jobs.len(), queued.has_more), (1, false));
    let other = JobFilter {
        owner: Some("user-8".to_owned()),
        ..JobFilter::default()
    };
    let none = site.operator.list(&other, 3, 100).await.expect("a list");
    assert_eq!(none, JobList::default());
}

#[tokio::test]
async fn other_lists_scan_the_table_and_say_what_they_have_read() {
    let site = Site::new();
    let older = site.failed(1, |job| job).await;
    site.clock.advance(5);
    let running = site
        .job(2, |mut job| {
            // Between two runs.
            job.attempt = 1;
            job
        })
        .await;
    let newer = site
        .failed(3, |mut job| {
            job.labels.insert("team".to_owned(), "maps".to_owned());
            job
        })
        .await;
    let gone = |mut job: stagecast_core::models::Job| {
        job.expires_at = job.created_at.epoch_seconds();
        super::with_failure(job)
    };
    site.job(4, gone).await;
    // An item of the table that is no job.
    let item = site.item(&older).await;
    let now = site.clock.now();
    let creation = Creation::new("key", "hash".to_owned(), item.job_id, [1; 16], now);
    let other = site.job(5, |job| job).await;
    let mut other = site.item(&other).await;
    other.job_id = "job_20260101_other".parse().expect("an id");
    let once = site.jobs().create_once(&other, &creation, "key").await;
    once.expect("it can be stored");

    let list = async |statuses: &[JobStatus], limit, max_items| {
        let filter = JobFilter {
            statuses: statuses.to_vec(),
            ..JobFilter::default()
        };
        let list = site.operator.list(&filter, limit, max_items).await;
        list.expect("the table can be scanned")
    };
    let failed = list(&[JobStatus::Failed], 10, 1000).await;
    let expected = [&newer, &older].map(|job| job.id.to_string());
    assert_eq!(ids(&failed), expected);
    let scan = failed.scan.expect("a scan");
    assert_eq!((scan.items, scan.is_cut), (7, false));
    let running_ones = list(&[JobStatus::Running], 10, 1000).await;
    assert_eq!(ids(&running_ones), [running.id.to_string()]);
    let queued = list(&[JobStatus::Queued], 10, 1000).await;
    assert!(!ids(&queued).contains(&running.id.to_string()));
    assert_eq!(queued.jobs.len(), 2);

    let limited = list(&[], 1, 1000).await;
    assert_eq!((limited.jobs.len(), limited.has_more), (1, true));
    let cut = list(&[], 10, 1).await.scan.expect("a scan");
    assert!(cut.is_cut && cut.items < 7, "{cut:?}");

    let mut filter = JobFilter::default();
    filter.labels.insert("team".to_owned(), "maps".to_owned());
    let labelled = site.operator.list(&filter, 10, 1000).await;
    assert_eq!(ids(&labelled.expect("a list")), [newer.id.to_string()]);
    assert!(site.aws.queued::<DeliveryQueue>().is_empty());
}

#[tokio::test]
async fn running_jobs_of_a_queue_are_found_by_a_scan() {
    let site = Site::new();
    let running = |mut job: stagecast_core::models::Job| {
        job.status = JobStatus::Running;
        job.lease_expires_at = job.created_at.epoch_seconds() + 30;
        job.epoch = 1;
        job
    };
    let job = fixtures::waiting_job(&site.aws, &site.clock, 1, running).await;
    fixtures::waiting_job(&site.aws, &site.clock, 2, |job| job).await;
    let filter = JobFilter {
        statuses: vec![JobStatus::Running],
        ..of_queue()
    };
    let list = site.operator.list(&filter, 10, 100).await.expect("a list");
    assert_eq!(ids(&list), [job.id.to_string()]);
    assert!(list.scan.is_some());
}
