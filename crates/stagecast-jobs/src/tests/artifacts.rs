//! `GET /v1/jobs/{job_id}/artifacts/{name}`, and artifacts in the snapshot.

use serde_json::json;
use stagecast_contract::{
    buckets::{self, artifact_key},
    messages::Artifact,
    routes::HttpRoute,
};
use stagecast_testing::{
    fixtures::{TestJob, claimed, external_job, objects},
    http_api::{Answer, job_request},
    product::PipelineFunction,
};

use super::Site;

const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn artifact(name: &str) -> Artifact {
    Artifact {
        name: name.to_owned(),
        content_type: "text/csv; charset=utf-8".to_owned(),
        size: 3,
        sha256: SHA256.to_owned(),
    }
}

/// Attaches an artifact with the content `abc` to a job that its run has claimed.
async fn attach(site: &Site, job: &TestJob, name: &str) {
    objects::<PipelineFunction>(&site.aws)
        .put_object::<buckets::Objects>()
        .key(artifact_key(&job.id, SHA256))
        .body(b"abc".to_vec().into())
        .send()
        .await
        .expect("the content can be stored");
    let mut run = claimed(&site.aws, &site.clock, job).await;
    let attached = run.attach("a", &artifact(name)).await;
    attached.unwrap().unwrap();
}

async fn get(site: &Site, job: &TestJob, name: &str, key: &str) -> Answer {
    let mut request = job_request(HttpRoute::GetArtifact, job.id.as_str(), key);
    let parameters = &mut request.path_parameters;
    parameters.insert("name".to_owned(), name.to_owned());
    site.handle(request).await
}

#[tokio::test]
async fn artifact_is_a_redirect_to_its_content_with_its_name() {
    let site = Site::new();
    let job = site.job().await;
    attach(&site, &job, "table-1.csv").await;

    let answer = get(&site, &job, "table-1.csv", job.access_key.reveal()).await;

    assert_eq!(answer.status, 307);
    let location = answer.header("location");
    assert!(location.contains("X-Amz-Expires=900"), "{location}");
    let (status, headers, bytes) = site.aws.download(location).await;
    assert_eq!((status, &bytes[..]), (200, &b"abc"[..]));
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        headers["content-disposition"],
        r#"attachment; filename="table-1.csv""#
    );
}

#[tokio::test]
async fn unknown_artifact_is_refused_with_the_names_of_the_others() {
    let site = Site::new();
    let job = site.job().await;
    let key = job.access_key.reveal();
    let refused = get(&site, &job, "a.csv", key).await;
    let error = refused.refused(404, "no_artifact");
    assert_eq!(error["name"], "a.csv");
    attach(&site, &job, "b.csv").await;
    for name in ["a.csv", "", "../b.csv", "B.csv"] {
        let refused = get(&site, &job, name, key).await;
        let error = refused.refused(404, "no_artifact");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("b.csv"), "{message}");
    }
}

#[tokio::test]
async fn artifact_takes_one_of_the_job_s_keys() {
    let site = Site::new();
    let job = external_job(&site.aws, &site.clock, 1).await;
    attach(&site, &job, "a.csv").await;
    for key in [job.access_key.reveal(), job.worker_key.reveal()] {
        assert_eq!(get(&site, &job, "a.csv", key).await.status, 307);
    }
    let wrong = get(&site, &job, "a.csv", "wrong").await;
    wrong.refused(403, "forbidden");
}

#[tokio::test]
async fn snapshot_lists_the_artifacts_of_a_running_job() {
    let site = Site::new();
    let job = site.job().await;
    let before = site.ask(HttpRoute::GetJob, &job).await.accepted();
    assert!(before.get("artifacts").is_none(), "{before}");
    attach(&site, &job, "a.csv").await;
    let after = site.ask(HttpRoute::GetJob, &job).await.accepted();
    assert_eq!(after["artifacts"], json!([artifact("a.csv")]));
}
