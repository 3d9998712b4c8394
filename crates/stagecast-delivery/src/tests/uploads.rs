//! The checks of uploads.

use local_aws::Fault;
use stagecast_contract::{
    buckets::{Objects as ObjectsBucket, input_key},
    description::AnnouncedInput,
    functions::JobsFunction,
    ids::{AccessKey, JobId, RequestId},
    limits::{MAX_SINGLE_UPLOAD_BYTES, UPLOAD_SECONDS},
    queues::DeliveryTask,
};
use stagecast_core::{
    models::{Job, PendingUpload},
    stores::{JobStore, UploadStore},
};
use stagecast_testing::fixtures::{self, TestJob, cancel};

use super::Site;

/// A job that awaits an input in two parts, and the id of its upload.
async fn awaiting(site: &Site) -> (TestJob, String) {
    let now = site.clock.now();
    let (id, access_key) = (JobId::new(now, [1; 8]), AccessKey::new([1; 16]));
    let input = AnnouncedInput {
        content_type: "text/csv".to_owned(),
        size: MAX_SINGLE_UPLOAD_BYTES as u64 + 1,
        sha256: None,
    };
    let mut upload = PendingUpload::new(&input, now);
    let uploads = UploadStore::new(fixtures::objects::<JobsFunction>(&site.aws));
    let begun = uploads.begin(&id, &input.content_type, &mut upload).await;
    begun.expect("the upload begins");
    let upload_id = upload.upload_id.clone().expect("an upload in parts");
    let job = Job::queued(
        id.clone(),
        &access_key,
        RequestId::new(now, [2; 8]),
        "correlation-1".to_owned(),
        input.content_type,
        now,
    );
    let database = granted_aws::Database::new(
        &site.aws.config::<JobsFunction>(),
        &fixtures::environment::<JobsFunction>(&site.aws),
    );
    let jobs = JobStore::new(database, site.clock.clone());
    assert!(jobs.create(&job.awaiting(upload)).await.expect("stored"));
    let job = TestJob {
        id,
        access_key,
        worker_key: stagecast_contract::ids::WorkerKey::new([3; 16]),
    };
    (job, upload_id)
}

fn check(job: &TestJob) -> DeliveryTask {
    DeliveryTask::upload_deadline(job.id.clone())
}

/// Whether the bucket has the upload.
async fn is_open(site: &Site, job: &TestJob, upload_id: &str) -> bool {
    let objects = fixtures::objects::<JobsFunction>(&site.aws);
    let list = objects
        .list_parts::<ObjectsBucket>()
        .key(input_key(&job.id))
        .upload_id(upload_id);
    list.send().await.is_ok()
}

#[tokio::test]
async fn upload_is_checked_again_until_it_expires() {
    let site = Site::new();
    let (job, upload_id) = awaiting(&site).await;
    site.clock.advance(UPLOAD_SECONDS - 1);
    // A subscription lasts an hour after the last message.
    site.subscribe(&job, "c1").await;

    let early = site.deliver(&check(&job)).await;
    let status = site.item()["status"]["S"].clone();
    let checks = site.queued();
    site.clock.advance(1);
    let late = site.deliver(&check(&job)).await;

    assert!(early && late);
    assert_eq!(
        (status, checks),
        ("awaiting_input".into(), vec![check(&job)])
    );
    assert_eq!(site.item()["status"]["S"], "failed");
    assert_eq!(site.log()[0]["error"]["code"], "upload_expired");
    assert!(!is_open(&site, &job, &upload_id).await);
    let delivery = site.queued().pop().expect("watchers are notified");
    assert!(site.deliver(&delivery).await);
    assert_eq!(site.received("c1"), [1]);
}

#[tokio::test]
async fn upload_of_a_cancelled_job_is_aborted() {
    let site = Site::new();
    let (job, upload_id) = awaiting(&site).await;
    cancel(&site.aws, &site.clock, &job)
        .await
        .expect("cancelled");
    assert_eq!(site.item()["status"]["S"], "cancelled");
    assert!(is_open(&site, &job, &upload_id).await);

    assert!(site.deliver(&check(&job)).await);
    assert!(site.deliver(&check(&job)).await, "aborted twice");

    assert!(!is_open(&site, &job, &upload_id).await);
    assert_eq!(site.log().len(), 1);
}

#[tokio::test]
async fn unavailable_table_repeats_the_check() {
    let site = Site::new();
    let (job, _) = awaiting(&site).await;
    site.clock.advance(UPLOAD_SECONDS);
    for failing in ["dynamodb:GetItem", "dynamodb:UpdateItem"] {
        let before = site.queued().len();
        site.aws
            .fail(0..9, Fault::Outage, move |call| call.operation == failing);

        assert!(site.deliver(&check(&job)).await);

        site.aws.faults().clear();
        assert_eq!(site.queued().len(), before + 1);
    }
    assert!(site.deliver(&check(&job)).await);
    assert_eq!(site.item()["status"]["S"], "failed");
}

#[tokio::test]
async fn interrupted_expiry_fails_the_job_at_the_next_check() {
    let site = Site::new();
    let (job, _) = awaiting(&site).await;
    site.clock.advance(UPLOAD_SECONDS);
    // The failure is decided, and the log is not available.
    site.aws.fail(0..9, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });
    assert!(site.deliver(&check(&job)).await);
    assert_eq!(site.item()["status"]["S"], "awaiting_input");
    site.aws.faults().clear();

    assert!(site.deliver(&check(&job)).await);

    assert_eq!(site.item()["status"]["S"], "failed");
    assert_eq!(site.log()[0]["error"]["code"], "upload_expired");
}
