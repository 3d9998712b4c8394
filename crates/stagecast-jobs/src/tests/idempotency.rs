//! `POST /v1/jobs` with an idempotency key.

use futures_util::future::join_all;
use local_aws::Fault;
use stagecast_contract::{queues::JobQueue, routes::HttpRoute};
use stagecast_testing::http_api::{Answer, request, with_body, with_header, with_parameter};

use super::Site;

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

async fn create(site: &Site, key: &str, body: &[u8]) -> Answer {
    let request = with_body(request(HttpRoute::CreateJob), body);
    let request = with_header(request, "content-type", "text/csv");
    site.handle(with_header(request, "idempotency-key", key))
        .await
}

/// The number of stored jobs. The record of an idempotency key is an item of the same table.
fn jobs(site: &Site) -> usize {
    let items = site.items();
    items
        .iter()
        .filter(|item| item["status"].is_object())
        .count()
}

#[tokio::test]
async fn repeated_request_gets_the_same_job_and_keys() {
    let site = Site::new();

    let first = create(&site, KEY, b"a,b\n").await;
    let second = create(&site, KEY, b"a,b\n").await;

    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.json(), second.json());
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(jobs(&site), 1);
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
}

#[tokio::test]
async fn key_in_quotes_is_the_same_key() {
    let site = Site::new();

    let first = create(&site, KEY, b"a,b\n").await;
    let second = create(&site, &format!("\"{KEY}\""), b"a,b\n").await;

    assert_eq!(first.json(), second.json());
}

#[tokio::test]
async fn keys_of_an_external_worker_are_repeated_as_well() {
    let site = Site::new();
    let external = || {
        let request = with_body(request(HttpRoute::CreateJob), b"a");
        let request = with_header(request, "idempotency-key", KEY);
        site.handle(with_parameter(request, "worker", "external"))
    };

    let (first, second) = (external().await.json(), external().await.json());

    assert!(first["worker_key"].is_string(), "{first}");
    assert_ne!(first["worker_key"], first["access_key"]);
    assert_eq!(first, second);
}

#[tokio::test]
async fn key_of_another_request_is_refused() {
    let site = Site::new();
    create(&site, KEY, b"a,b\n").await;

    let other = create(&site, KEY, b"c,d\n").await;

    assert_eq!(other.status, 422);
    assert_eq!(other.json()["error"]["code"], "idempotency_key_reused");
    assert_eq!(jobs(&site), 1);
}

#[tokio::test]
async fn fifty_concurrent_requests_create_one_job() {
    let site = Site::with_sdk_retries();

    let answers = join_all((0..50).map(|_| create(&site, KEY, b"a,b\n"))).await;

    let first = answers[0].json();
    for answer in &answers {
        assert_eq!(answer.status, 202, "{:?}", answer.json());
        assert_eq!(answer.json(), first);
    }
    assert_eq!(jobs(&site), 1);
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
}

#[tokio::test]
async fn key_creates_another_job_after_a_day() {
    let site = Site::new();
    let first = create(&site, KEY, b"a,b\n").await.json();
    site.clock.advance(24 * 60 * 60);

    let second = create(&site, KEY, b"c,d\n").await;

    assert_eq!(second.status, 202);
    assert_ne!(second.json()["job_id"], first["job_id"]);
    assert_eq!(jobs(&site), 2);
}

#[tokio::test]
async fn lost_response_of_the_transaction_creates_one_job() {
    let site = Site::with_sdk_retries();
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:TransactWriteItems"
    });

    let created = create(&site, KEY, b"a,b\n").await;

    assert_eq!(created.status, 202);
    assert_eq!(jobs(&site), 1);
    assert_eq!(create(&site, KEY, b"a,b\n").await.json(), created.json());
}

#[tokio::test]
async fn invalid_key_is_refused_before_anything_is_stored() {
    let site = Site::new();

    for key in [
        "",
        "too short",
        &"k".repeat(256),
        "with a space in the middle",
    ] {
        let answer = create(&site, key, b"a,b\n").await;
        assert_eq!(answer.status, 400, "{key}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], "invalid_idempotency_key", "{key}");
        assert_eq!(error["header"], "idempotency-key", "{key}");
    }
    assert!(site.items().is_empty());
}
