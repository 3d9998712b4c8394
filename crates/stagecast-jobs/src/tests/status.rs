//! `GET /v1/jobs/{job_id}`, and the keys for a job.

use local_aws::Fault;
use serde_json::Value;
use stagecast_contract::routes::HttpRoute;
use stagecast_core::models::TerminalState;
use stagecast_testing::{
    fixtures::{claimed, external_job, json},
    http_api::{job_request, request, with_job},
};

use super::Site;

const ROUTES: [HttpRoute; 4] = [
    HttpRoute::GetJob,
    HttpRoute::GetEvents,
    HttpRoute::GetResults,
    HttpRoute::CancelJob,
];

#[tokio::test]
async fn snapshot_of_a_queued_job_has_no_progress() {
    let site = Site::new();
    let job = site.job().await;

    let snapshot = site.ask(HttpRoute::GetJob, &job).await.accepted();

    assert_eq!(snapshot["job_id"], job.id.as_str());
    assert_eq!(snapshot["status"], "queued");
    assert_eq!(snapshot["overall_progress"], 0);
    assert_eq!(snapshot["seq"], 0);
    assert_eq!(snapshot["stage"], Value::Null);
}

#[tokio::test]
async fn snapshot_of_a_completed_job_has_its_results() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let results = json("12.917521550408111");
    let (_, results) = run.finish_stage("a", Some(100), results).await.unwrap();

    let running = site.ask(HttpRoute::GetJob, &job).await;
    let completed = TerminalState::Completed;
    run.end(&completed, None, Some(results)).await.unwrap();
    let completed = site.ask(HttpRoute::GetJob, &job).await;

    let running = running.accepted();
    assert_eq!(running["status"], "running");
    assert_eq!(running["results"], Value::Null);
    assert_eq!(completed.accepted()["status"], "completed");
    let text = String::from_utf8(completed.body).unwrap();
    assert!(text.contains(r#""results":12.917521550408111"#), "{text}");
}

#[tokio::test]
async fn wrong_key_and_unknown_job_get_the_same_error() {
    let site = Site::new();
    let job = site.job().await;
    let (id, key) = (job.id.as_str(), job.access_key.reveal());

    for route in ROUTES {
        let wrong_key = site.handle(job_request(route, id, &"0".repeat(32))).await;
        let unknown = job_request(route, "job_20260101_ffffffffffffffff", key);
        let unknown = site.handle(unknown).await;
        let no_key = site.handle(with_job(request(route), id)).await;

        let expected = wrong_key.refused(403, "forbidden")["message"].clone();
        for other in [unknown, no_key] {
            let message = other.refused(403, "forbidden")["message"].clone();
            assert_eq!(message, expected, "{route:?}");
        }
    }
    assert_eq!(site.items()[0]["cancel_requested"]["BOOL"], false);
}

#[tokio::test]
async fn worker_key_opens_no_job() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;

    for route in ROUTES {
        let request = job_request(route, job.id.as_str(), job.worker_key.reveal());
        site.handle(request).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn malformed_job_id_is_refused_before_the_key_is_read() {
    let site = Site::new();

    for route in ROUTES {
        let answer = site.handle(job_request(route, "nonsense", "key")).await;
        answer.refused(400, "invalid_job_id");
    }
    assert_eq!(site.aws.calls().count(|_| true), 0);
}

#[tokio::test]
async fn job_that_cannot_be_read_is_an_internal_error() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:GetItem"
    });

    let failed = site.ask(HttpRoute::GetJob, &job).await;
    let again = site.ask(HttpRoute::GetJob, &job).await;

    failed.refused(500, "internal");
    again.accepted();
}

#[tokio::test]
async fn route_of_another_function_is_not_found() {
    let site = Site::new();

    let answer = site.handle(request(HttpRoute::ClaimJob)).await;

    answer.refused(404, "not_found");
}
