//! Jobs of queues of external workers.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::{
    http::IDEMPOTENCY_HEADER,
    queues::{DeliveryQueue, JobQueue},
    routes::HttpRoute,
    tables::WorkQueues,
};
use stagecast_testing::http_api::{Answer, job_request, request, with_body, with_header};

use super::Site;

/// A creation with a raw body and these query parameters.
fn creation(parameters: &[(&str, &str)]) -> ApiGatewayV2httpRequest {
    let mut request = with_body(request(HttpRoute::CreateJob), "any bytes");
    let parameters = parameters.iter();
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let parameters: std::collections::HashMap<_, _> = parameters.collect();
    request.query_string_parameters = parameters.into();
    with_header(request, "content-type", "application/zip")
}

async fn create(site: &Site, parameters: &[(&str, &str)]) -> Answer {
    site.handle(creation(parameters)).await
}

fn entries(site: &Site) -> Vec<Value> {
    site.aws.items::<WorkQueues>()
}

#[tokio::test]
async fn job_of_a_queue_has_an_entry_a_watchdog_and_no_worker_key() {
    let site = Site::new();

    let created = create(&site, &[("queue", "plans"), ("priority", "7")]).await;

    assert_eq!(created.status, 202);
    let created = created.json();
    assert!(created.get("worker_key").is_none(), "{created}");
    let [entry] = &entries(&site)[..] else {
        panic!("{:?}", entries(&site));
    };
    assert_eq!(entry["queue"]["S"], "plans");
    assert_eq!(entry["job_id"]["S"], created["job_id"]);
    let key = entry["entry"]["S"].as_str().unwrap();
    assert!(key.starts_with("waiting#2#"), "{key}");
    assert_eq!(entry["expires_at"], site.items()[0]["expires_at"]);
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert_eq!(site.watchdogs().len(), 1);
    let (id, key) = (created["job_id"].as_str(), created["access_key"].as_str());
    let snapshot = job_request(HttpRoute::GetJob, id.unwrap(), key.unwrap());
    let snapshot = site.handle(snapshot).await.accepted();
    assert_eq!(snapshot["queue"], "plans");
    assert_eq!(snapshot["message"], "Waiting for a worker...");
}

#[tokio::test]
async fn description_names_the_queue_and_the_query_may_repeat_it() {
    let site = Site::new();
    let described = json!({"queue": "gpu", "priority": 0});
    assert_eq!(site.describe(&described).await.status, 202);
    let mut both = creation(&[("queue", "gpu"), ("priority", "0")]);
    both = with_body(both, described.to_string());
    both = with_header(both, "content-type", "application/vnd.stagecast.job+json");
    assert_eq!(site.handle(both).await.status, 202);
    for entry in entries(&site) {
        let key = entry["entry"]["S"].as_str().unwrap();
        assert!(key.starts_with("waiting#9#"), "{key}");
    }
    assert_eq!(entries(&site).len(), 2);
}

#[tokio::test]
async fn default_is_the_pipeline() {
    let site = Site::new();
    let mut request = with_body(creation(&[("queue", "default")]), "a,b\n");
    request = with_header(request, "content-type", "text/csv");
    assert_eq!(site.handle(request).await.status, 202);
    assert!(entries(&site).is_empty());
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
    assert!(site.items()[0].get("queue").is_none());
}

#[tokio::test]
async fn invalid_queues_and_priorities_are_refused() {
    let site = Site::new();
    let unknown = create(&site, &[("queue", "Plans")]).await;
    let error = unknown.refused(400, "unknown_queue");
    assert_eq!(
        (&error["field"], &error["queue"]),
        (&json!("queue"), &json!("Plans"))
    );
    assert_eq!(error["queues"], json!(["plans", "gpu"]));
    for (parameters, code, field) in [
        (
            &[("queue", "plans"), ("worker", "external")][..],
            "invalid_body",
            "queue",
        ),
        (&[("priority", "5")], "invalid_body", "priority"),
        (
            &[("priority", "5"), ("queue", "default")],
            "invalid_body",
            "priority",
        ),
        (
            &[("priority", "5"), ("worker", "external")],
            "invalid_body",
            "priority",
        ),
        (
            &[("priority", "10"), ("queue", "plans")],
            "invalid_body",
            "priority",
        ),
    ] {
        let error = create(&site, parameters).await.refused(400, code);
        assert_eq!(error["field"], field, "{parameters:?}");
    }
    for priority in ["-1", "1.5", "high"] {
        let answer = create(&site, &[("queue", "plans"), ("priority", priority)]).await;
        answer.refused(400, "invalid_parameter");
    }
    for (described, field) in [
        (json!({"queue": "plans", "worker": "external"}), "queue"),
        (json!({"queue": "plans", "priority": 10}), "priority"),
        (json!({"queue": "plans", "priority": 1.5}), "priority"),
        (json!({"priority": 1}), "priority"),
    ] {
        let error = site.describe(&described).await.refused(400, "invalid_body");
        assert_eq!(error["field"], field, "{described}");
    }
    let mut differs = with_body(creation(&[("queue", "gpu")]), r#"{"queue":"plans"}"#);
    differs = with_header(
        differs,
        "content-type",
        "application/vnd.stagecast.job+json",
    );
    let error = site.handle(differs).await.refused(400, "invalid_body");
    assert_eq!(error["field"], "queue");
    assert!(site.items().is_empty() && entries(&site).is_empty());
}

#[tokio::test]
async fn entry_is_stored_before_the_job() {
    let site = Site::new();
    // The request is interrupted before it stores the job.
    site.aws.fail(1..2, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });

    create(&site, &[("queue", "plans")])
        .await
        .refused(500, "internal");

    assert_eq!((entries(&site).len(), site.items().len()), (1, 0));
}

#[tokio::test]
async fn job_without_an_entry_is_not_stored() {
    let site = Site::new();
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem"
    });

    create(&site, &[("queue", "plans")])
        .await
        .refused(500, "internal");

    assert_eq!((entries(&site).len(), site.items().len()), (0, 0));
}

#[tokio::test]
async fn idempotency_key_covers_the_queue_and_the_priority() {
    let site = Site::new();
    let with_key = |parameters: &[(&str, &str)]| {
        with_header(creation(parameters), IDEMPOTENCY_HEADER, "0123456789abcdef")
    };
    let first = site.handle(with_key(&[("queue", "plans")])).await;
    assert_eq!(first.status, 202);

    // The priority is the default's.
    let same = site
        .handle(with_key(&[("queue", "plans"), ("priority", "5")]))
        .await;

    assert_eq!(same.json(), first.json());
    for parameters in [
        &[("queue", "gpu")][..],
        &[("queue", "plans"), ("priority", "6")],
        &[],
    ] {
        let other = site.handle(with_key(parameters)).await;
        if parameters.is_empty() {
            assert!(other.status >= 400, "its input is none of the pipeline's");
        } else {
            other.refused(422, "idempotency_key_reused");
        }
    }
    assert_eq!(entries(&site).len(), 1);
}

#[tokio::test]
async fn job_with_a_later_start_has_its_entry_from_its_watchdog() {
    let site = Site::new();
    let run_at = site.clock.now().plus_seconds(5).to_string();

    let created = site
        .describe(&json!({"queue": "plans", "run_at": run_at}))
        .await;

    assert_eq!(created.status, 202);
    assert!(entries(&site).is_empty());
    // The early one is due with the start; the other one was scheduled before the job was stored.
    assert_eq!(site.watchdogs().len(), 2);
}

#[tokio::test]
async fn uploaded_job_gets_its_entry_with_its_input() {
    let site = Site::new();
    let announced = json!({"queue": "plans", "input": {"content_type": "a/b", "size": 3}});
    let created = site.describe(&announced).await.json();
    assert!(entries(&site).is_empty());
    let part = &created["upload"]["parts"][0];
    assert_eq!(site.aws.upload(part, "abc").await.0, 200);
    let (id, key) = (created["job_id"].as_str(), created["access_key"].as_str());
    let complete = job_request(HttpRoute::CompleteUpload, id.unwrap(), key.unwrap());

    let completed = site.handle(complete.clone()).await.accepted();
    site.handle(complete).await.accepted();

    assert_eq!(completed["status"], "queued");
    assert_eq!(entries(&site).len(), 1);
    assert_eq!(site.watchdogs().len(), 1);
}

#[tokio::test]
async fn cancellation_deletes_the_entry() {
    let site = Site::new();
    let created = create(&site, &[("queue", "plans")]).await.json();
    let (id, key) = (created["job_id"].as_str(), created["access_key"].as_str());

    let cancel = job_request(HttpRoute::CancelJob, id.unwrap(), key.unwrap());
    assert_eq!(site.handle(cancel).await.status, 202);

    assert!(entries(&site).is_empty());
}

#[tokio::test]
async fn job_of_a_queue_costs_one_write_more_than_one_of_a_worker_key() {
    let count = async |parameters: &[(&str, &str)]| {
        let site = Site::new();
        assert_eq!(create(&site, parameters).await.status, 202);
        let writes = site
            .aws
            .calls()
            .count(|call| call.operation == "dynamodb:PutItem");
        (writes, site.aws.queued::<DeliveryQueue>().len())
    };
    assert_eq!(count(&[("worker", "external")]).await, (1, 0));
    assert_eq!(count(&[("queue", "plans")]).await, (2, 1));
}
