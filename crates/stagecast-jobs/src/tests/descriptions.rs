//! `POST /v1/jobs` with a job description.

use serde::Deserialize;
use serde_json::{Value, json};
use stagecast_contract::{
    functions::WorkerFunction,
    input::{InputRules, no_check, parameters_of},
    limits::{MAX_DESCRIPTION_BYTES, MAX_PARAMETERS_BYTES},
    queues::JobQueue,
    routes::HttpRoute,
    tables::{JobEvents, Jobs},
};
use stagecast_core::{
    models::Job,
    stores::{EventStore, JobStore, ParameterStore},
};
use stagecast_testing::{
    fixtures::environment,
    http_api::{job_request, request, with_body, with_header, with_parameter},
};

use super::{Site, TABLES};

/// Rules of a pipeline whose parameters have a type.
static TYPED: InputRules = InputRules {
    check: no_check,
    check_parameters: parameters_of::<Import>,
    ..TABLES
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its form matters")]
struct Import {
    columns: Vec<String>,
}

fn table(text: &str) -> Value {
    json!({"content_type": "text/csv", "text": text})
}

/// The job with this id and its parameters, as the worker function reads them.
async fn load(site: &Site, job_id: &Value) -> (Job, Option<String>) {
    let config = site.aws.config::<WorkerFunction>();
    let environment = environment::<WorkerFunction>(&site.aws);
    let database = granted_aws::Database::new(&config, &environment);
    let jobs = JobStore::<WorkerFunction>::new(database.clone(), site.clock.clone());
    let job_id = serde_json::from_value(job_id.clone()).expect("a job id");
    let job = jobs.load(&job_id).await.unwrap().expect("a job");
    // The parameters are no event of the log.
    let log = EventStore::new(database.clone());
    assert_eq!(log.between(&job_id, 0, 100).await.unwrap(), []);
    let parameters = ParameterStore::new(database).load(&job).await.unwrap();
    (job, parameters.map(|it| it.get().to_owned()))
}

#[tokio::test]
async fn described_job_is_queued_with_labels_and_parameters() {
    let site = Site::new();
    let request = with_body(
        request(HttpRoute::CreateJob),
        r#"{"parameters":{ "b": 1.0, "a": [] },"labels":{"team":"maps","v":""},
            "input":{"content_type":"text/csv","base64":"YSxiCg=="}}"#,
    );
    let content_type = "application/vnd.stagecast.job+json; charset=utf-8";
    let created = site
        .handle(with_header(request, "content-type", content_type))
        .await;

    assert_eq!(created.status, 202);
    let created = created.json();
    assert!(created["upload"].is_null());
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
    assert_eq!(site.watchdogs().len(), 1);
    let (job, parameters) = load(&site, &created["job_id"]).await;
    assert_eq!(parameters.as_deref(), Some(r#"{ "b": 1.0, "a": [] }"#));
    assert_eq!(job.content_type, "text/csv");
    let (id, key) = (&created["job_id"], &created["access_key"]);
    let snapshot = job_request(
        HttpRoute::GetJob,
        id.as_str().unwrap(),
        key.as_str().unwrap(),
    );
    let snapshot = site.handle(snapshot).await.accepted();
    assert_eq!(snapshot["labels"], json!({"team": "maps", "v": ""}));
}

#[tokio::test]
async fn job_without_parameters_and_labels_stores_none() {
    let site = Site::new();

    let created = site.describe(&json!({"input": table("a,b\n")})).await;

    assert_eq!(created.status, 202);
    let (job, parameters) = load(&site, &created.json()["job_id"]).await;
    assert_eq!((parameters, job.labels.len()), (None, 0));
    assert!(site.aws.items::<JobEvents>().is_empty());
    let item = &site.aws.items::<Jobs>()[0];
    for absent in ["labels", "has_parameters", "upload"] {
        assert!(item[absent].is_null(), "{item}");
    }
}

#[tokio::test]
async fn described_worker_is_external_and_may_have_no_input() {
    let site = Site::new();

    let created = site
        .describe(&json!({"worker": "external", "parameters": {"a": 1}}))
        .await;

    assert_eq!(created.status, 202);
    assert!(created.json()["worker_key"].is_string());
    assert!(site.aws.queued::<JobQueue>().is_empty());
    let (_, parameters) = load(&site, &created.json()["job_id"]).await;
    assert_eq!(parameters.as_deref(), Some(r#"{"a":1}"#));
}

#[tokio::test]
async fn invalid_description_is_an_error_that_names_the_field_and_leaves_nothing() {
    let site = Site::new();

    for (description, status, code, field) in [
        (json!({"label": {}}), 400, "invalid_body", json!("label")),
        (json!({"input": null}), 400, "invalid_body", json!("input")),
        (
            json!({"queue": "plans", "parameters": {"a": "x".repeat(MAX_PARAMETERS_BYTES)}}),
            400,
            "invalid_body",
            json!("parameters"),
        ),
        (
            json!({"input": {"content_type": "text/csv", "base64": "?"}}),
            400,
            "invalid_body",
            json!("input.base64"),
        ),
        (
            json!({"input": {"content_type": "text/csv", "size": 1001}}),
            400,
            "invalid_body",
            json!("input.size"),
        ),
        (
            json!({"input": table(&"x".repeat(1001))}),
            400,
            "invalid_body",
            json!("input"),
        ),
        (
            json!({"input": {"content_type": "image/png", "size": 1}}),
            415,
            "unsupported_media_type",
            Value::Null,
        ),
        (json!({"input": table("")}), 400, "empty_body", Value::Null),
    ] {
        let error = site.describe(&description).await.refused(status, code);
        assert_eq!(error["field"], field, "{error}");
    }
    let broken = with_body(request(HttpRoute::CreateJob), "{");
    let broken = with_header(broken, "content-type", "application/vnd.stagecast.job+json");
    site.handle(broken).await.refused(400, "invalid_json");
    let large = json!({"input": table(&"x".repeat(MAX_DESCRIPTION_BYTES))});
    let error = site.describe(&large).await.refused(413, "body_too_large");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("upload"), "{message}");

    assert!(site.items().is_empty());
    assert_eq!(site.aws.calls().count(|_| true), 0);
}

#[tokio::test]
async fn parameter_of_a_wrong_type_is_an_error_that_names_it() {
    let site = Site::accepting(&TYPED);
    let described = async |parameters: Value| {
        let description = json!({"parameters": parameters, "input": table("a\n")});
        site.describe(&description).await
    };

    for (parameters, field) in [
        (json!({"columns": ["a", "b", 3]}), "parameters.columns[2]"),
        (json!({}), "parameters.columns"),
        (json!({"columns": [], "rows": 1}), "parameters.rows"),
    ] {
        let error = described(parameters).await.refused(400, "invalid_body");
        assert_eq!(error["field"], field, "{error}");
    }
    assert_eq!(described(json!({"columns": ["a"]})).await.status, 202);
}

#[tokio::test]
async fn body_without_parameters_is_refused_if_the_pipeline_needs_them() {
    let site = Site::accepting(&TYPED);
    let raw = with_body(request(HttpRoute::CreateJob), "a\n");
    let raw = with_header(raw, "content-type", "text/csv");

    let error = site.handle(raw.clone()).await.refused(400, "invalid_body");
    let external = site.handle(with_parameter(raw, "worker", "external")).await;

    assert_eq!(error["field"], "parameters.columns");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("application/vnd.stagecast.job+json"),
        "{message}"
    );
    assert_eq!(external.status, 202, "only its worker knows them");
}

#[tokio::test]
async fn idempotency_key_covers_the_description() {
    let site = Site::new();
    let create = async |labels: Value| {
        let body = json!({"labels": labels, "input": table("a\n")}).to_string();
        let request = with_body(request(HttpRoute::CreateJob), body);
        let request = with_header(request, "idempotency-key", "8e03978e-40d5-43e8");
        let content_type = "application/vnd.stagecast.job+json";
        site.handle(with_header(request, "content-type", content_type))
            .await
    };

    let first = create(json!({"team": "maps"})).await;
    let again = create(json!({"team": "maps"})).await;
    let other = create(json!({"team": "routes"})).await;

    assert_eq!(first.json(), again.json());
    other.refused(422, "idempotency_key_reused");
}
