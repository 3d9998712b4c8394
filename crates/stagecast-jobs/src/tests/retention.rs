//! The retention of new jobs.

use serde_json::{Value, json};
use stagecast_contract::{
    retention::JobRetention,
    routes::HttpRoute,
    tables::{JobEvents, Jobs},
};
use stagecast_infra::{environments::Environment, project::Project};
use stagecast_testing::{
    fixtures::START,
    http_api::{job_request, request, with_body, with_header},
    product,
};

use super::Site;

const DAY: i64 = 24 * 60 * 60;

/// An environment that keeps jobs for 30 days.
fn month() -> Site {
    Site::of_project(Project::new(&product::PRODUCT, || {
        vec![Environment {
            job_retention: JobRetention::new(30),
            ..Environment::dev()
        }]
    }))
}

fn described(retention_days: &Value) -> Value {
    json!({
        "input": {"content_type": "text/csv", "text": "a\n"},
        "parameters": {"a": 1},
        "retention_days": retention_days,
    })
}

/// The days until the items of the only job expire.
fn days(site: &Site) -> Vec<i64> {
    let items = [site.aws.items::<Jobs>(), site.aws.items::<JobEvents>()].concat();
    let expires_at = items
        .iter()
        .map(|item| item["expires_at"]["N"].as_str().unwrap());
    expires_at
        .map(|text| (text.parse::<i64>().unwrap() - START.epoch_seconds()) / DAY)
        .collect()
}

#[tokio::test]
async fn every_item_of_a_new_job_has_its_retention() {
    for (site, given, expected) in [
        (Site::new(), json!(null), 7),
        (Site::new(), json!(1), 1),
        (month(), json!(null), 30),
        (month(), json!(8), 8),
    ] {
        assert_eq!(site.describe(&described(&given)).await.status, 202);
        assert_eq!(days(&site), [expected, expected]);
    }
    let site = month();
    let raw = with_body(request(HttpRoute::CreateJob), "a\n");
    site.handle(with_header(raw, "content-type", "text/csv"))
        .await;
    assert_eq!(days(&site), [30], "also without a description");
}

#[tokio::test]
async fn retention_beyond_that_of_the_environment_is_refused() {
    let site = Site::new();
    for (given, part) in [
        (8, "8 days; this environment keeps jobs for at most 7"),
        (0, "0 days"),
        (366, "366 days"),
    ] {
        let error = site.describe(&described(&json!(given))).await;
        let error = error.refused(400, "invalid_body");
        assert_eq!(error["field"], "retention_days");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    assert!(site.items().is_empty());
}

#[tokio::test]
async fn job_is_unreachable_after_its_own_retention() {
    let site = Site::new();
    let created = site.describe(&described(&json!(1))).await.json();
    let ask = async |route| {
        let (id, key) = (created["job_id"].as_str(), created["access_key"].as_str());
        site.handle(job_request(route, id.unwrap(), key.unwrap()))
            .await
    };
    site.clock.advance(DAY - 1);
    ask(HttpRoute::GetJob).await.accepted();
    site.clock.advance(1);

    for route in [
        HttpRoute::GetJob,
        HttpRoute::GetResults,
        HttpRoute::CancelJob,
    ] {
        ask(route).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn start_and_upload_are_bounded_by_the_retention_of_the_job() {
    let site = month();
    let run_at = START.plus_seconds(29 * DAY).to_string();
    let mut description = described(&json!(null));
    description["run_at"] = json!(run_at);
    assert_eq!(site.describe(&description).await.status, 202);
    description["retention_days"] = json!(28);
    let error = site
        .describe(&description)
        .await
        .refused(400, "invalid_body");
    assert_eq!(error["field"], "run_at");

    let site = Site::new();
    let upload = json!({"input": {"content_type": "text/csv", "size": 4}, "retention_days": 1});
    let created = site.describe(&upload).await.json();
    let expires_at = START.plus_seconds(DAY - 3600).to_string();
    assert_eq!(created["upload"]["expires_at"], expires_at);
}
