//! The time limits of new jobs.

use serde_json::{Value, json};
use stagecast_contract::{
    product::Product,
    queues::{DeliveryQueue, DeliveryTask},
    routes::HttpRoute,
    time_limits::{LimitRule, LimitRules},
    timestamp::Timestamp,
};
use stagecast_infra::{environments::Environment, project::Project};
use stagecast_testing::{
    fixtures::START,
    http_api::{request, with_body, with_header},
    product,
};

use super::Site;

/// A product with a default and a maximum.
const LIMITED: Product = Product {
    limits: LimitRules {
        queue_seconds: LimitRule {
            default: Some(60),
            max: None,
        },
        run_seconds: LimitRule {
            default: None,
            max: Some(600),
        },
    },
    ..product::PRODUCT
};
const _: () = LIMITED.check();

fn limited() -> Site {
    Site::of_project(Project::new(&LIMITED, || vec![Environment::dev()]))
}

fn described(limits: &Value) -> Value {
    json!({"input": {"content_type": "text/csv", "text": "a\n"}, "limits": limits})
}

/// The attributes of the only job's item about its limits: seconds in the queue, seconds of the run, and the
/// seconds until the job has to be claimed.
fn stored(site: &Site) -> [Option<i64>; 3] {
    let item = site.items().remove(0);
    let number = |name: &str| item[name]["N"].as_str().map(|text| text.parse().unwrap());
    let claim_by = item["claim_by"]["S"].as_str();
    let claim_by = claim_by.map(str::parse::<Timestamp>);
    let until = claim_by.map(|time| time.unwrap().epoch_seconds() - START.epoch_seconds());
    [number("queue_seconds"), number("run_seconds"), until]
}

fn watchdogs(site: &Site) -> Vec<DeliveryTask> {
    let messages = site.aws.queued::<DeliveryQueue>().into_iter();
    let tasks = messages.map(|message| serde_json::from_value::<DeliveryTask>(message).unwrap());
    tasks.collect()
}

#[tokio::test]
async fn job_has_the_limits_of_its_description() {
    let site = Site::new();

    let limits = json!({"queue_seconds": 3600, "run_seconds": 7200});
    assert_eq!(site.describe(&described(&limits)).await.status, 202);

    assert_eq!(stored(&site), [Some(3600), Some(7200), Some(3600)]);
    assert_eq!(watchdogs(&site).len(), 1);
}

#[tokio::test]
async fn job_without_limits_stores_none() {
    let site = Site::new();

    assert_eq!(site.describe(&described(&json!({}))).await.status, 202);

    assert_eq!(stored(&site), [None, None, None]);
}

#[tokio::test]
async fn product_has_defaults_and_maxima_also_for_raw_bodies() {
    let site = limited();
    let raw = with_body(request(HttpRoute::CreateJob), "a\n");
    let raw = with_header(raw, "content-type", "text/csv");
    assert_eq!(site.handle(raw).await.status, 202);
    assert_eq!(stored(&site), [Some(60), Some(600), Some(60)]);

    let site = limited();
    let limits = json!({"queue_seconds": 61, "run_seconds": 600});
    assert_eq!(site.describe(&described(&limits)).await.status, 202);
    assert_eq!(stored(&site), [Some(61), Some(600), Some(61)]);
}

#[tokio::test]
async fn limit_beyond_the_maximum_of_the_product_is_refused_with_its_field() {
    let site = limited();

    let answer = site
        .describe(&described(&json!({"run_seconds": 601})))
        .await;

    let error = answer.refused(400, "invalid_body");
    assert_eq!(error["field"], "limits.run_seconds");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("601 seconds") && message.contains("at most 600"),
        "{message}"
    );
    assert!(site.items().is_empty());
}

#[tokio::test]
async fn short_queue_limit_is_checked_early_and_by_a_watchdog() {
    let site = Site::new();

    site.describe(&described(&json!({"queue_seconds": 1})))
        .await;

    let id = watchdogs(&site)[0].job_id.clone();
    let expected = [
        DeliveryTask::watchdog(id.clone(), None),
        DeliveryTask::watchdog(id, Some(0)),
    ];
    assert_eq!(watchdogs(&site), expected);
}

#[tokio::test]
async fn external_job_with_a_queue_limit_has_a_watchdog_before_its_claim() {
    let site = Site::new();

    site.describe(&json!({"worker": "external", "limits": {"queue_seconds": 100}}))
        .await;
    site.describe(&json!({"worker": "external", "limits": {"run_seconds": 100}}))
        .await;

    let watchdogs = watchdogs(&site);
    assert_eq!(
        watchdogs.len(),
        1,
        "the second one has a watchdog from its claim on"
    );
    let id = watchdogs[0].job_id.clone();
    assert_eq!(watchdogs, [DeliveryTask::watchdog(id, Some(0))]);
}
