//! `GET /v1/jobs/{job_id}/input`.

use aws_sdk_s3::primitives::ByteStream;
use granted_aws::Objects;
use local_aws::Fault;
use stagecast_contract::{
    buckets::{Objects as ObjectsBucket, input_key},
    functions::JobsFunction,
    routes::HttpRoute,
};
use stagecast_testing::{
    fixtures::{TestJob, environment},
    http_api::{Answer, job_request},
};

use super::Site;

async fn store(site: &Site, job: &TestJob, bytes: &'static [u8]) {
    let config = site.aws.config::<JobsFunction>();
    let objects = Objects::new(&config, &environment::<JobsFunction>(&site.aws));
    objects
        .put_object::<ObjectsBucket>()
        .key(input_key(&job.id))
        .body(ByteStream::from_static(bytes))
        .send()
        .await
        .expect("the input can be stored");
}

async fn input(site: &Site, job: &TestJob) -> Answer {
    let key = job.worker_key.reveal();
    site.handle(job_request(HttpRoute::GetInput, job.id.as_str(), key))
        .await
}

#[tokio::test]
async fn input_is_answered_byte_for_byte_with_its_type() {
    let site = Site::new();
    let job = site.job().await;
    store(&site, &job, b"\x00\xff one \n two").await;

    let answer = input(&site, &job).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"\x00\xff one \n two");
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn input_that_is_missing_or_cannot_be_read_is_an_internal_error() {
    let site = Site::new();
    let job = site.job().await;

    let missing = input(&site, &job).await;
    store(&site, &job, b"input").await;
    site.aws
        .fail(0..1, Fault::Outage, |call| call.operation == "s3:GetObject");
    let unreadable = input(&site, &job).await;
    let again = input(&site, &job).await;

    missing.refused(500, "internal");
    unreadable.refused(500, "internal");
    assert_eq!(again.body, b"input");
}
