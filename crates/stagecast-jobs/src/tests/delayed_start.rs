//! Jobs with a later start.

use serde_json::{Value, json};
use stagecast_contract::{
    limits::{JOB_TTL_SECONDS, MIN_SECONDS_AFTER_START},
    queues::JobQueue,
    routes::HttpRoute,
    timestamp::Timestamp,
};
use stagecast_testing::http_api::job_request;

use super::Site;

fn at(site: &Site, seconds: i64) -> Timestamp {
    site.clock.now().plus_seconds(seconds)
}

fn described(run_at: &impl ToString) -> Value {
    json!({
        "input": {"content_type": "text/csv", "text": "a\n"},
        "run_at": run_at.to_string(),
    })
}

async fn ask(site: &Site, route: HttpRoute, created: &Value) -> Value {
    let (id, key) = (created["job_id"].as_str(), created["access_key"].as_str());
    let answer = site
        .handle(job_request(route, id.unwrap(), key.unwrap()))
        .await;
    assert!(answer.status < 300, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn job_with_a_distant_start_is_queued_without_a_message() {
    let site = Site::new();
    let run_at = at(&site, 901);

    let created = site.describe(&described(&run_at)).await.json();

    let snapshot = ask(&site, HttpRoute::GetJob, &created).await;
    assert_eq!(snapshot["status"], "queued");
    assert_eq!(snapshot["run_at"], run_at.to_string());
    assert!(
        site.aws.queued::<JobQueue>().is_empty(),
        "its watchdog sends it"
    );
    assert_eq!(site.watchdogs().len(), 1);
}

#[tokio::test]
async fn job_with_a_near_or_past_start_has_its_message() {
    for seconds in [-1000, 0, 900] {
        let site = Site::new();
        let answer = site.describe(&described(&at(&site, seconds))).await;
        assert_eq!(answer.status, 202);
        assert_eq!(site.aws.queued::<JobQueue>().len(), 1, "{seconds}");
        assert_eq!(site.watchdogs().len(), 1);
    }
}

#[tokio::test]
async fn start_is_rounded_up_to_a_second() {
    let site = Site::new();

    site.describe(&described(&"2026-01-01T12:00:00.250Z")).await;

    assert_eq!(site.items()[0]["run_at"]["S"], "2026-01-01T12:00:01Z");
}

#[tokio::test]
async fn waiting_job_is_cancelled_at_once() {
    let site = Site::new();
    let created = site.describe(&described(&at(&site, 3600))).await.json();

    ask(&site, HttpRoute::CancelJob, &created).await;

    let snapshot = ask(&site, HttpRoute::GetJob, &created).await;
    assert_eq!(
        (&snapshot["status"], &snapshot["seq"]),
        (&json!("cancelled"), &json!(1))
    );
}

#[tokio::test]
async fn start_that_is_too_late_is_refused_with_the_field_and_the_latest_time() {
    let site = Site::new();
    let latest = JOB_TTL_SECONDS - MIN_SECONDS_AFTER_START;

    for (seconds, part) in [
        (latest + 1, "an hour before the job expires"),
        (31 * 24 * 60 * 60, "more than 30 days ahead"),
    ] {
        let answer = site.describe(&described(&at(&site, seconds))).await;
        let error = answer.refused(400, "invalid_body");
        assert_eq!(error["field"], "run_at");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
        assert!(
            message.contains(&at(&site, seconds).to_string()),
            "{message}"
        );
    }
    assert!(site.items().is_empty());
    assert_eq!(
        site.describe(&described(&at(&site, latest))).await.status,
        202
    );
}
