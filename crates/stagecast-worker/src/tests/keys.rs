//! The keys for the worker's routes.

use stagecast_contract::{limits::JOB_TTL_SECONDS, routes::HttpRoute};
use stagecast_testing::{
    fixtures,
    http_api::{job_request, request, with_header, with_job},
};

use super::Site;

const ROUTES: [HttpRoute; 3] = [
    HttpRoute::ClaimJob,
    HttpRoute::GetInput,
    HttpRoute::PostEvents,
];

#[tokio::test]
async fn wrong_key_and_unknown_job_get_the_same_error() {
    let site = Site::new();
    let job = site.job().await;
    let (id, key) = (job.id.as_str(), job.worker_key.reveal());

    for route in ROUTES {
        let wrong_key = site.handle(job_request(route, id, &"0".repeat(32))).await;
        let unknown = job_request(route, "job_20260101_ffffffffffffffff", key);
        let unknown = site.handle(unknown).await;
        let no_key = site.handle(with_job(request(route), id)).await;
        let basic = with_header(with_job(request(route), id), "authorization", "Basic abc");
        let basic = site.handle(basic).await;

        let expected = wrong_key.refused(403, "forbidden")["message"].clone();
        for other in [unknown, no_key, basic] {
            let message = other.refused(403, "forbidden")["message"].clone();
            assert_eq!(message, expected, "{route:?}");
        }
    }
}

#[tokio::test]
async fn access_key_is_refused_with_a_hint_at_the_worker_key() {
    let site = Site::new();
    let job = site.job().await;

    for route in ROUTES {
        let request = job_request(route, job.id.as_str(), job.access_key.reveal());
        let error = site.handle(request).await.refused(403, "forbidden");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("worker_key"), "{route:?}: {message}");
    }
    assert_eq!(site.item()["status"]["S"], "queued");
}

#[tokio::test]
async fn job_of_the_pipeline_is_refused_to_workers() {
    let site = Site::new();
    let job = fixtures::job(&site.aws, &site.clock, 1).await;

    for route in ROUTES {
        let owner = job_request(route, job.id.as_str(), job.access_key.reveal());
        site.handle(owner).await.refused(409, "not_external");
        let stranger = job_request(route, job.id.as_str(), job.worker_key.reveal());
        site.handle(stranger).await.refused(403, "forbidden");
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
async fn expired_job_is_unknown() {
    let site = Site::new();
    let job = site.job().await;
    site.clock.advance(JOB_TTL_SECONDS);

    let answer = site.claim(&job, &["a"]).await;

    answer.refused(403, "forbidden");
}

#[tokio::test]
async fn route_of_another_function_is_not_found() {
    let site = Site::new();

    let answer = site.handle(request(HttpRoute::CreateJob)).await;

    answer.refused(404, "not_found");
}
