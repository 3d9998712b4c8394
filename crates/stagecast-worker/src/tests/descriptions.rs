//! Jobs that were created from a description: parameters, labels and uploaded inputs.

use aws_sdk_s3::primitives::ByteStream;
use granted_aws::Database;
use serde_json::json;
use stagecast_contract::{
    buckets::{Objects as ObjectsBucket, input_key},
    description::AnnouncedInput,
    functions::JobsFunction,
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    limits::MAX_INPUT_BYTES,
    routes::HttpRoute,
};
use stagecast_core::{
    models::{Job, Parameters, PendingUpload},
    stores::{JobStore, ParameterStore},
};
use stagecast_testing::{
    fixtures::{self, TestJob, json as raw},
    http_api::job_request,
};

use super::Site;

/// Stores a job for an external worker after `change`.
async fn stored(site: &Site, change: impl FnOnce(Job) -> Job) -> TestJob {
    let now = site.clock.now();
    let test_job = TestJob {
        id: JobId::new(now, [1; 8]),
        access_key: AccessKey::new([1; 16]),
        worker_key: WorkerKey::new([2; 16]),
    };
    let job = Job::queued(
        test_job.id.clone(),
        &test_job.access_key,
        RequestId::new(now, [1; 8]),
        "correlation-1".to_owned(),
        "text/csv".to_owned(),
        now,
    );
    let job = change(job.for_external_worker(&test_job.worker_key));
    let database = Database::new(
        &site.aws.config::<JobsFunction>(),
        &fixtures::environment::<JobsFunction>(&site.aws),
    );
    let parameters = Parameters::new(job.job_id.clone(), &raw(r#"{ "a": 1.0 }"#), job.expires_at);
    let parameter_store = ParameterStore::new(database.clone());
    parameter_store.save(&parameters).await.expect("saved");
    let jobs = JobStore::new(database, site.clock.clone());
    assert!(jobs.create(&job).await.expect("created"));
    test_job
}

#[tokio::test]
async fn claim_returns_parameters_byte_for_byte_and_labels() {
    let site = Site::new();
    let job = stored(&site, |mut job| {
        job.has_parameters = true;
        job.labels.insert("team".to_owned(), "maps".to_owned());
        job
    })
    .await;

    let claimed = site.claim(&job, &["a"]).await;

    assert_eq!(
        claimed.clone().accepted()["labels"],
        json!({"team": "maps"})
    );
    let text = String::from_utf8(claimed.body).unwrap();
    assert!(text.contains(r#""parameters":{ "a": 1.0 }"#), "{text}");
}

#[tokio::test]
async fn job_that_awaits_its_input_is_not_claimed() {
    let site = Site::new();
    let job = stored(&site, |job| {
        let input = AnnouncedInput {
            content_type: "text/csv".to_owned(),
            size: 1,
            sha256: None,
        };
        let upload = PendingUpload::new(&input, job.created_at);
        job.awaiting(upload)
    })
    .await;

    let refused = site.claim(&job, &["a"]).await;

    let error = refused.refused(409, "awaiting_input");
    assert!(error["message"].as_str().unwrap().contains("`queued`"));
    assert_eq!(site.item()["status"]["S"], "awaiting_input");
    assert!(site.watchdogs().is_empty());
}

#[tokio::test]
async fn input_over_4_mb_is_a_redirect_to_the_bucket() {
    let site = Site::new();
    let job = stored(&site, |job| job).await;
    let objects = fixtures::objects::<JobsFunction>(&site.aws);
    for (size, status) in [(MAX_INPUT_BYTES, 200), (MAX_INPUT_BYTES + 1, 307)] {
        let put = objects
            .put_object::<ObjectsBucket>()
            .key(input_key(&job.id))
            .body(ByteStream::from(vec![b','; size]));
        put.send().await.expect("the input is stored");

        let key = job.worker_key.reveal();
        let request = job_request(HttpRoute::GetInput, job.id.as_str(), key);
        let answer = site.handle(request).await;

        assert_eq!(answer.status, status);
        assert_eq!(answer.body.len(), if status == 200 { size } else { 0 });
        assert_eq!(answer.header("location").is_empty(), status == 200);
    }
}
