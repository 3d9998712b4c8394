//! `GET /v1/jobs/{job_id}/results`.

use local_aws::Fault;
use raw_json::RawJson;
use stagecast_contract::{messages::JobError, routes::HttpRoute};
use stagecast_core::{delivery::Publisher, models::TerminalState};
use stagecast_testing::product::PipelineFunction;
use stagecast_testing::{
    fixtures::{TestJob, claimed, external_job, json},
    http_api::{Answer, job_request, with_parameter},
};

use super::Site;

/// Requests the results of one stage with `key`.
async fn of_stage(site: &Site, job: &TestJob, stage: &str, key: &str) -> Answer {
    let request = job_request(HttpRoute::GetResults, job.id.as_str(), key);
    site.handle(with_parameter(request, "stage", stage)).await
}

/// Finishes the stage `a` with these results and completes the job with them.
async fn complete(run: &mut Publisher<PipelineFunction>, results: RawJson) {
    let (_, results) = run.finish_stage("a", None, results).await.unwrap();
    let completed = TerminalState::Completed;
    run.end(&completed, None, Some(results)).await.unwrap();
}

/// A JSON string of this many bytes.
fn filling(bytes: usize) -> RawJson {
    json(&format!("\"{}\"", "x".repeat(bytes - 2)))
}

#[tokio::test]
async fn results_are_answered_byte_for_byte() {
    const RESULTS: &str = r#"{ "z": [12.917521550408111, -0, 1e400], "a": 1.0, "a": "\ud800" }"#;
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    complete(&mut run, json(RESULTS)).await;

    let of_job = site.ask(HttpRoute::GetResults, &job).await;
    let of_stage = of_stage(&site, &job, "a", job.access_key.reveal()).await;

    for answer in [of_job, of_stage] {
        assert_eq!(answer.status, 200);
        assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), RESULTS);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn results_of_a_stage_are_available_before_the_job_ends() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.finish_stage("b", None, json("2")).await.unwrap();
    let key = job.access_key.reveal();

    let first = of_stage(&site, &job, "a", key).await;
    let second = of_stage(&site, &job, "b", key).await;
    let missing = of_stage(&site, &job, "c", key).await;
    let of_job = site.ask(HttpRoute::GetResults, &job).await;

    assert_eq!(first.accepted(), 1);
    assert_eq!(second.accepted(), 2);
    let error = missing.refused(404, "no_results");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("finished stages: a, b"), "{message}");
    of_job.refused(404, "no_results");
}

#[tokio::test]
async fn job_that_failed_has_no_results() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let error = JobError {
        code: "no_walls".to_owned(),
        message: "None.".to_owned(),
    };
    let failed = TerminalState::Failed(error);
    run.end(&failed, Some("a"), None).await.unwrap();

    let refused = site.ask(HttpRoute::GetResults, &job).await;

    let error = refused.refused(404, "no_results");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("failed"), "{message}");
}

#[tokio::test]
async fn large_results_are_read_from_the_bucket() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    complete(&mut run, filling(100_000)).await;

    let answer = site.ask(HttpRoute::GetResults, &job).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), 100_000);
}

#[tokio::test]
async fn results_over_4_mb_are_a_redirect_to_the_bucket() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    complete(&mut run, filling(4 * 1024 * 1024 + 1)).await;

    let answer = site.ask(HttpRoute::GetResults, &job).await;

    assert_eq!(answer.status, 307);
    assert!(answer.body.is_empty());
    let location = answer.header("location");
    assert!(location.contains("X-Amz-Signature"), "{location}");
    assert!(location.contains("X-Amz-Expires=300"), "{location}");
}

#[tokio::test]
async fn results_whose_string_is_too_large_for_lambda_are_a_redirect() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    // 3.9 MB, and twice as much as a JSON string.
    let quotes = format!("\"{}\"", r#"\""#.repeat(1_950_000));
    complete(&mut run, json(&quotes)).await;

    let answer = site.ask(HttpRoute::GetResults, &job).await;

    assert_eq!(answer.status, 307);
}

#[tokio::test]
async fn worker_key_opens_the_results_of_stages_only() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    complete(&mut run, json("7")).await;
    let key = job.worker_key.reveal();

    let stage = of_stage(&site, &job, "a", key).await;
    let all = job_request(HttpRoute::GetResults, job.id.as_str(), key);
    let all = site.handle(all).await;

    assert_eq!(stage.accepted(), 7);
    all.refused(403, "forbidden");
}

#[tokio::test]
async fn results_that_cannot_be_read_are_an_internal_error() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    complete(&mut run, filling(100_000)).await;

    for operation in ["dynamodb:Query", "s3:GetObject"] {
        let is_read = move |call: &local_aws::Call| call.operation == operation;
        site.aws.fail(0..1, Fault::Outage, is_read);
        let failed = site.ask(HttpRoute::GetResults, &job).await;
        failed.refused(500, "internal");
        let again = site.ask(HttpRoute::GetResults, &job).await;
        assert_eq!(again.status, 200, "{operation}");
    }
}
