//! The webhooks of new jobs.

use serde_json::{Value, json};
use stagecast_contract::routes::HttpRoute;
use stagecast_infra::{
    environments::{Environment, WebhookEndpoint, Webhooks},
    project::Project,
};
use stagecast_testing::{
    http_api::{request, with_body, with_header},
    product,
};

use super::Site;

fn endpoint() -> Site {
    Site::of_project(Project::new(&product::PRODUCT, || {
        let endpoint = WebhookEndpoint::new("https://hooks.example.com/jobs").expect("a URL");
        vec![Environment {
            webhooks: Webhooks::Endpoint(endpoint),
            ..Environment::dev()
        }]
    }))
}

fn chosen_by_callers() -> Site {
    Site::of_project(Project::new(&product::PRODUCT, || {
        vec![Environment {
            webhooks: Webhooks::chosen_by_callers(&["hooks.example.com"], None).expect("a host"),
            ..Environment::dev()
        }]
    }))
}

fn described(webhook: &Value) -> Value {
    json!({ "input": { "content_type": "text/csv", "text": "a\n" }, "webhook": webhook })
}

/// The webhook in the item of the only job.
fn stored(site: &Site) -> Value {
    let items = site.items();
    assert_eq!(items.len(), 1, "{items:?}");
    items[0]["webhook"]["M"].clone()
}

#[tokio::test]
async fn every_new_job_has_the_webhook_of_the_environment() {
    let site = endpoint();
    let raw = with_body(request(HttpRoute::CreateJob), "a\n");
    let raw = with_header(raw, "content-type", "text/csv");
    assert_eq!(site.handle(raw).await.status, 202);
    // The events are the default, and the URL is that of the environment when the webhook is posted.
    assert_eq!(stored(&site), json!({}));
    let without = Site::new();
    assert_eq!(without.describe(&described(&Value::Null)).await.status, 202);
    assert_eq!(stored(&without), Value::Null);
}

#[tokio::test]
async fn description_chooses_the_events() {
    let site = endpoint();
    let webhook = json!({ "events": ["stage_complete", "job_failed"] });
    assert_eq!(site.describe(&described(&webhook)).await.status, 202);
    let events = json!({ "L": [{ "S": "stage_complete" }, { "S": "job_failed" }] });
    assert_eq!(stored(&site), json!({ "events": events }));
}

#[tokio::test]
async fn description_chooses_a_url_of_a_host_that_the_environment_lists() {
    let site = chosen_by_callers();
    let url = "https://hooks.example.com/billing?team=7";
    let created = site.describe(&described(&json!({ "url": url }))).await;
    assert_eq!(created.status, 202);
    assert_eq!(stored(&site), json!({ "url": { "S": url } }));
}

#[tokio::test]
async fn webhook_that_the_environment_does_not_permit_is_refused_without_a_job() {
    let url = |url: &str| json!({ "url": url });
    for (site, webhook, field) in [
        (Site::new(), json!({}), "webhook"),
        (
            Site::new(),
            url("https://hooks.example.com/"),
            "webhook.url",
        ),
        (endpoint(), url("https://hooks.example.com/"), "webhook.url"),
        (endpoint(), json!({ "events": [] }), "webhook.events"),
        (
            endpoint(),
            json!({ "events": ["progress_update"] }),
            "webhook.events[0]",
        ),
        (endpoint(), json!({ "secret": "a" }), "webhook.secret"),
        (chosen_by_callers(), json!({}), "webhook"),
        (
            chosen_by_callers(),
            url("https://other.example/"),
            "webhook.url",
        ),
        (chosen_by_callers(), url("http://127.0.0.1/"), "webhook.url"),
        (
            chosen_by_callers(),
            url("https://169.254.169.254/"),
            "webhook.url",
        ),
    ] {
        let refused = site.describe(&described(&webhook)).await;
        let body = refused.json();
        assert_eq!(refused.status, 400, "{webhook}: {body}");
        assert_eq!(body["error"]["field"], field, "{webhook}: {body}");
        assert!(site.items().is_empty());
    }
}
