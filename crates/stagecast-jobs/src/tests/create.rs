//! `POST /v1/jobs`.

use granted_aws::Objects;
use local_aws::Fault;
use serde_json::Value;
use stagecast_contract::{
    buckets::{Objects as ObjectsBucket, input_key},
    functions::JobsFunction,
    queues::JobQueue,
    routes::HttpRoute,
};
use stagecast_testing::product::PipelineFunction;
use stagecast_testing::{
    fixtures::environment,
    http_api::{Answer, request, with_body, with_header, with_parameter},
};

use super::Site;

/// Creates a job of the pipeline.
async fn create(site: &Site, body: &[u8], content_type: &str) -> Answer {
    let request = with_body(request(HttpRoute::CreateJob), body);
    let request = with_header(request, "content-type", content_type);
    site.handle(request).await
}

/// Creates a job for an external worker.
async fn create_external(site: &Site, body: &[u8]) -> Answer {
    let request = with_body(request(HttpRoute::CreateJob), body);
    let request = with_header(request, "content-type", "text/plain");
    site.handle(with_parameter(request, "worker", "external"))
        .await
}

/// The input of a job, and its type, as the pipeline reads them.
async fn stored_input(site: &Site, job_id: &Value) -> (Vec<u8>, Option<String>) {
    let config = site.aws.config::<PipelineFunction>();
    let objects = Objects::new(&config, &environment::<PipelineFunction>(&site.aws));
    let key = input_key(&serde_json::from_value(job_id.clone()).expect("a job id"));
    let object = objects.get_object::<ObjectsBucket>().key(key).send().await;
    let object = object.expect("the input is stored");
    let content_type = object.content_type().map(str::to_owned);
    let bytes = object.body.collect().await.expect("the input");
    (bytes.to_vec(), content_type)
}

/// Whether nothing was stored and nothing was queued.
fn is_untouched(site: &Site) -> bool {
    site.items().is_empty() && site.aws.calls().count(|_| true) == 0
}

#[tokio::test]
async fn job_of_the_pipeline_is_stored_and_queued_with_a_watchdog() {
    let site = Site::new();

    let created = create(&site, b"a,b\n", "text/csv; charset=utf-8").await;

    assert_eq!(created.status, 202);
    let created = created.json();
    let id = created["job_id"].as_str().unwrap();
    assert_eq!(created["status_url"], format!("/v1/jobs/{id}"));
    assert_eq!(created["worker_key"], Value::Null);
    let url = site.aws.variable::<JobsFunction>("WEBSOCKET_URL").unwrap();
    assert_eq!(created["websocket_url"], url);
    assert_eq!(site.items().len(), 1);
    assert_eq!(site.items()[0]["status"]["S"], "queued");
    assert_eq!(site.items()[0]["content_type"]["S"], "text/csv");
    assert_eq!(site.aws.queued::<JobQueue>()[0]["job_id"], id);
    assert_eq!(site.watchdogs(), [id]);
    let (bytes, content_type) = stored_input(&site, &created["job_id"]).await;
    assert_eq!(bytes, b"a,b\n");
    assert_eq!(content_type.as_deref(), Some("text/csv"));
}

#[tokio::test]
async fn keys_are_not_stored() {
    let site = Site::new();

    let created = create_external(&site, b"").await.json();

    let item = site.items()[0].to_string();
    for key in ["access_key", "worker_key"] {
        let key = created[key].as_str().unwrap();
        assert_eq!(key.len(), 32);
        assert!(!item.contains(key));
    }
}

#[tokio::test]
async fn job_for_an_external_worker_is_stored_and_not_queued() {
    let site = Site::new();

    let created = create_external(&site, b"one \xff two").await;

    assert_eq!(created.status, 202);
    let (bytes, content_type) = stored_input(&site, &created.json()["job_id"]).await;
    assert_eq!(bytes, b"one \xff two");
    assert_eq!(content_type.as_deref(), Some("text/plain"));
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert!(site.watchdogs().is_empty(), "a claim starts the first");
}

#[tokio::test]
async fn job_for_an_external_worker_may_have_no_input() {
    let site = Site::new();

    let created = create_external(&site, b"").await;

    assert_eq!(created.status, 202);
    let (bytes, _) = stored_input(&site, &created.json()["job_id"]).await;
    assert!(bytes.is_empty());
}

#[tokio::test]
async fn input_that_violates_the_rules_leaves_nothing() {
    let site = Site::new();

    for (body, content_type, status, code) in [
        (&b""[..], "text/csv", 400, "empty_body"),
        (b"a,b\n", "image/png", 415, "unsupported_media_type"),
        (&[b'a'; 1001], "text/csv", 413, "body_too_large"),
    ] {
        let refused = create(&site, body, content_type).await;
        let error = refused.refused(status, code);
        let is_too_large = code == "body_too_large";
        assert_eq!(error["max_bytes"].as_u64(), is_too_large.then_some(1000));
        let request_id = error["request_id"].as_str().unwrap();
        assert!(request_id.starts_with("req_"), "{error}");
        assert_eq!(refused.header("x-request-id"), request_id);
    }
    assert!(is_untouched(&site));
}

#[tokio::test]
async fn input_of_unsupported_type_is_rejected_with_supported_types() {
    let site = Site::new();

    let refused = create(&site, b"a,b\n", "image/png").await;

    let error = refused.refused(415, "unsupported_media_type");
    assert_eq!(error["supported"][0], "text/csv");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("image/png"), "{message}");
}

#[tokio::test]
async fn unknown_worker_is_refused_with_the_parameter() {
    let site = Site::new();
    let request = with_parameter(request(HttpRoute::CreateJob), "worker", "mine");

    let refused = site.handle(with_body(request, "input")).await;

    let error = refused.refused(400, "invalid_parameter");
    assert_eq!(error["parameter"], "worker");
    assert!(error["message"].as_str().unwrap().contains("'mine'"));
    assert!(is_untouched(&site));
}

#[tokio::test]
async fn correlation_id_of_the_request_is_used_when_it_is_valid() {
    let too_long = "x".repeat(129);
    for (given, is_taken) in [
        ("order-7:line_2.a", true),
        ("", false),
        ("two words", false),
        ("quote\"", false),
        (&*too_long, false),
    ] {
        let site = Site::new();
        let request = with_body(request(HttpRoute::CreateJob), "input");
        let request = with_parameter(request, "worker", "external");
        let request = with_header(request, "x-correlation-id", given);

        let created = site.handle(request).await;

        let item = &site.items()[0];
        let request_id = created.header("x-request-id");
        assert_eq!(item["request_id"]["S"], request_id);
        let expected = if is_taken { given } else { request_id };
        assert_eq!(item["correlation_id"]["S"], expected);
    }
}

#[tokio::test]
async fn job_is_not_created_when_its_input_cannot_be_stored() {
    let site = Site::new();
    site.aws
        .fail(0..1, Fault::Outage, |call| call.operation == "s3:PutObject");

    let failed = create(&site, b"a,b\n", "text/csv").await;

    failed.refused(500, "internal");
    assert!(site.items().is_empty());
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn job_is_not_created_when_its_watchdog_cannot_be_started() {
    let site = Site::new();
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let failed = create(&site, b"a,b\n", "text/csv").await;

    failed.refused(500, "internal");
    assert!(site.items().is_empty());
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn job_is_not_queued_when_it_cannot_be_stored() {
    let site = Site::new();
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });

    let failed = create(&site, b"a,b\n", "text/csv").await;

    failed.refused(500, "internal");
    assert!(site.items().is_empty());
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn job_that_cannot_be_queued_is_left_to_its_watchdog() {
    let site = Site::new();
    site.aws.fail(1..2, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let failed = create(&site, b"a,b\n", "text/csv").await;

    failed.refused(500, "internal");
    assert!(site.aws.queued::<JobQueue>().is_empty());
    let id = site.items()[0]["job_id"]["S"].as_str().unwrap().to_owned();
    assert_eq!(site.watchdogs(), [id]);
}

#[tokio::test(start_paused = true)]
async fn job_is_created_once_when_the_response_to_its_write_was_lost() {
    let site = Site::with_sdk_retries();
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:PutItem"
    });

    let created = create(&site, b"a,b\n", "text/csv").await;

    assert_eq!(created.status, 202);
    let writes = site
        .aws
        .calls()
        .count(|call| call.operation == "dynamodb:PutItem");
    assert_eq!(writes, 2);
    assert_eq!(site.items().len(), 1);
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
}

#[tokio::test]
async fn denied_upload_names_the_policy_as_the_cause() {
    for denied in ["s3:PutObject", "dynamodb:PutItem", "sqs:SendMessage"] {
        let site = Site::new();
        site.aws
            .fail(0..1, Fault::Denied, move |call| call.operation == denied);

        let failed = create(&site, b"a,b\n", "text/csv").await;

        let error = failed.refused(500, "internal");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("a policy denies"), "{denied}: {message}");
    }
}
