//! `POST /v1/jobs/{job_id}/artifacts`, and the artifacts of events.

use serde_json::{Value, json};
use stagecast_contract::{limits::MAX_ARTIFACTS, routes::HttpRoute};
use stagecast_testing::fixtures::{TestJob, subscribed};

use super::{Site, job_complete, stage_complete, types};

/// An artifact with the content `abc`.
fn artifact(name: &str) -> Value {
    json!({
        "name": name,
        "content_type": "text/plain",
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    })
}

fn with_artifacts(mut event: Value, artifacts: &[Value]) -> Value {
    event["artifacts"] = artifacts.into();
    event
}

impl Site {
    async fn announce(&self, job: &TestJob, epoch: u64, artifact: &Value) -> super::Answer {
        let mut body = artifact.clone();
        body["epoch"] = epoch.into();
        let body = body.to_string();
        self.send(HttpRoute::UploadArtifact, job, &body).await
    }

    /// Uploads the content `abc`.
    async fn upload(&self, job: &TestJob) {
        let upload = self.announce(job, 1, &artifact("a.txt")).await.accepted();
        let (status, body) = self.aws.upload(&upload, "abc").await;
        assert_eq!(status, 200, "{body}");
    }
}

#[tokio::test]
async fn uploaded_artifacts_belong_to_the_job_once_an_event_lists_them() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.upload(&job).await;
    assert!(site.item().get("artifacts_revision").is_none());

    let first = with_artifacts(stage_complete("a", 1), &[artifact("a.txt")]);
    let end = with_artifacts(job_complete(), &[artifact("log.txt")]);
    let events = json!([first, stage_complete("b", 2), end]);
    site.post(&job, 1, 0, events.clone()).await.accepted();

    let messages = site.aws.take_messages("c1");
    assert_eq!(
        types(&messages),
        ["stage_complete", "stage_complete", "job_complete"]
    );
    assert_eq!(messages[0]["artifacts"], json!([artifact("a.txt")]));
    assert!(messages[1].get("artifacts").is_none());
    let all = json!([artifact("a.txt"), artifact("log.txt")]);
    assert_eq!(messages[2]["artifacts"], all);

    let logged = site.log();
    let repeated = site.post(&job, 1, 0, events).await.accepted();
    assert_eq!(repeated["seq"], 3);
    assert_eq!(site.log(), logged);
}

#[tokio::test]
async fn event_whose_artifact_is_not_uploaded_changes_nothing() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let first = with_artifacts(stage_complete("a", 1), &[artifact("a.txt")]);
    let events = json!([first, stage_complete("b", 2)]);
    let refused = site.post(&job, 1, 0, events.clone()).await;
    let error = refused.refused(409, "artifact_not_uploaded");
    assert_eq!(error["name"], "a.txt");
    assert!(site.log().is_empty());

    site.upload(&job).await;
    let mut larger = artifact("a.txt");
    larger["size"] = 4.into();
    let wrong_size = with_artifacts(stage_complete("a", 1), &[larger]);
    let refused = site.post(&job, 1, 0, json!([wrong_size])).await;
    let error = refused.refused(409, "artifact_not_uploaded");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("has 3 bytes"), "{message}");
    site.post(&job, 1, 0, events).await.accepted();
}

#[tokio::test]
async fn bucket_refuses_another_content_than_was_announced() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let announced = site.announce(&job, 1, &artifact("a.txt")).await.accepted();
    for (content, status) in [("abe", 400), ("abcd", 400), ("abc", 200), ("abc", 200)] {
        let (answer, body) = site.aws.upload(&announced, content).await;
        assert_eq!(answer, status, "{content}: {body}");
    }
}

fn fails_once(site: &Site, operation: &'static str) {
    site.aws.fail(0..1, local_aws::Fault::Outage, move |call| {
        call.operation == operation
    });
}

/// `stage_complete` of a stage with artifacts of these names.
fn listing(stage: &str, names: &[&str]) -> Value {
    let artifacts: Vec<_> = names.iter().map(|name| artifact(name)).collect();
    with_artifacts(stage_complete(stage, 1), &artifacts)
}

/// The artifact `name` with another media type, so that it differs from [`artifact`].
fn changed(name: &str) -> Value {
    let mut artifact = artifact(name);
    artifact["content_type"] = "text/csv".into();
    artifact
}

impl Site {
    /// The list of the job's artifacts, as snapshots and downloads read it.
    fn artifacts(&self) -> Vec<Value> {
        let events = self.aws.items::<stagecast_contract::tables::JobEvents>();
        let list = events
            .iter()
            .find_map(|item| item["artifacts"]["L"].as_array());
        let listed = list.into_iter().flatten().map(|item| {
            let text = |name: &str| item["M"][name]["S"].clone();
            let size = item["M"]["size"]["N"].as_str().unwrap();
            json!({
                "name": text("name"),
                "content_type": text("content_type"),
                "size": size.parse::<u64>().unwrap(),
                "sha256": text("sha256"),
            })
        });
        listed.collect()
    }

    fn revision(&self) -> u64 {
        let revision = self.item()["artifacts_revision"]["N"].clone();
        revision.as_str().map_or(0, |text| text.parse().unwrap())
    }
}

#[tokio::test]
async fn retried_post_with_other_artifacts_has_only_those() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.upload(&job).await;
    // The event is not logged.
    fails_once(&site, "dynamodb:PutItem");
    let failed = site
        .post(&job, 1, 0, json!([listing("a", &["x", "y"])]))
        .await;
    failed.refused(500, "internal");
    assert!(site.log().is_empty());
    let accepted = site.post(&job, 1, 0, json!([listing("a", &["y"])])).await;
    accepted.accepted();
    assert_eq!(site.log()[0]["artifacts"], json!([artifact("y")]));
    let other = site.post(&job, 1, 0, json!([listing("a", &["x"])])).await;
    other.refused(409, "seq_conflict");
}

#[tokio::test]
async fn event_that_was_not_accepted_leaves_no_artifact() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.upload(&job).await;
    fails_once(&site, "dynamodb:PutItem");
    let failed = site.post(&job, 1, 0, json!([listing("a", &["x"])])).await;
    failed.refused(500, "internal");

    let end = json!([{"type": "job_failed", "error": {"code": "gone", "message": "m"}}]);
    site.post(&job, 1, 0, end).await.accepted();

    assert_eq!(site.artifacts(), [] as [Value; 0]);
    assert_eq!(site.revision(), 0);
}

#[tokio::test]
async fn event_that_was_not_accepted_replaces_no_artifact() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    site.upload(&job).await;
    let first = json!([listing("a", &["x"])]);
    site.post(&job, 1, 0, first).await.accepted();
    fails_once(&site, "dynamodb:PutItem");
    let second = with_artifacts(stage_complete("b", 1), &[changed("x")]);
    let failed = site.post(&job, 1, 1, json!([second])).await;
    failed.refused(500, "internal");

    // The worker decides to finish the stage without the file.
    let events = json!([stage_complete("b", 1), job_complete()]);
    site.post(&job, 1, 1, events).await.accepted();

    assert_eq!(site.log()[2]["artifacts"], json!([artifact("x")]));
    assert_eq!(site.artifacts(), [artifact("x")]);
}

#[tokio::test]
async fn event_and_its_artifacts_are_committed_together() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    site.upload(&job).await;
    // The event is logged, and neither it nor its list is committed.
    fails_once(&site, "dynamodb:TransactWriteItems");
    let event = json!([listing("a", &["x"])]);
    let failed = site.post(&job, 1, 0, event.clone()).await;
    failed.refused(500, "internal");
    assert_eq!(site.log().len(), 1);
    assert_eq!(site.item()["seq"]["N"], "0");
    assert_eq!(site.artifacts(), [] as [Value; 0]);
    let other = site.post(&job, 1, 0, json!([listing("a", &["y"])])).await;
    other.refused(409, "seq_conflict");

    site.post(&job, 1, 0, event).await.accepted();

    assert_eq!(site.item()["seq"]["N"], "1");
    assert_eq!(site.artifacts(), [artifact("x")]);
    assert_eq!(site.revision(), 1);
}

#[tokio::test]
async fn next_claim_commits_a_logged_event_with_its_artifacts() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    site.upload(&job).await;
    site.post(&job, 1, 0, json!([listing("a", &["x", "y"])]))
        .await
        .accepted();
    fails_once(&site, "dynamodb:TransactWriteItems");
    let artifacts = [changed("x"), artifact("z")];
    let event = json!([with_artifacts(stage_complete("b", 1), &artifacts)]);
    let failed = site.post(&job, 1, 1, event).await;
    failed.refused(500, "internal");

    site.end_lease();
    let claimed = site.claim(&job, &["a", "b"]).await.accepted();

    assert_eq!(claimed["seq"], 2);
    let all = [changed("x"), artifact("y"), artifact("z")];
    assert_eq!(site.artifacts(), all);
    assert_eq!(claimed["artifacts"], json!(all));
    let end = json!([with_artifacts(job_complete(), &[artifact("log")])]);
    site.post(&job, 2, 2, end).await.accepted();
    assert_eq!(site.log()[2]["artifacts"].as_array().unwrap().len(), 4);
    assert_eq!(site.artifacts().len(), 4);
}

#[tokio::test]
async fn artifacts_of_an_event_take_one_transaction() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.upload(&job).await;
    site.aws.calls().clear();
    site.post(&job, 1, 0, json!([listing("a", &["x"])]))
        .await
        .accepted();
    let count = |operation| site.aws.calls().count(|call| call.operation == operation);
    assert_eq!(count("dynamodb:TransactWriteItems"), 1);
    // The parts of the transaction are counted as well: the log and the list, and the job.
    assert_eq!(count("dynamodb:PutItem"), 2);
    assert_eq!(count("dynamodb:UpdateItem"), 1);
}

#[tokio::test]
async fn commit_whose_response_was_lost_is_not_repeated() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.upload(&job).await;
    site.aws.fail(0..1, local_aws::Fault::LostResponse, |call| {
        call.operation == "dynamodb:TransactWriteItems"
    });
    let event = json!([listing("a", &["x"])]);
    let failed = site.post(&job, 1, 0, event.clone()).await;
    failed.refused(500, "internal");
    let repeated = site.post(&job, 1, 0, event).await.accepted();
    assert_eq!(repeated["seq"], 1);
    assert_eq!(site.artifacts(), [artifact("x")]);
    assert_eq!(site.revision(), 1);
    assert_eq!(site.log().len(), 1);
}

#[tokio::test]
async fn artifacts_of_all_posts_count_against_the_limit() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    site.upload(&job).await;
    let numbered = |range: std::ops::Range<usize>| -> Vec<Value> {
        range.map(|number| artifact(&number.to_string())).collect()
    };
    let first = with_artifacts(stage_complete("a", 1), &numbered(0..MAX_ARTIFACTS - 1));
    site.post(&job, 1, 0, json!([first])).await.accepted();
    let two = with_artifacts(stage_complete("b", 1), &numbered(500..502));
    let refused = site.post(&job, 1, 1, json!([two])).await;
    let error = refused.refused(409, "too_many_artifacts");
    assert_eq!(error["max_artifacts"], MAX_ARTIFACTS);
    // One more, and one of the others again.
    let replaced = with_artifacts(stage_complete("b", 1), &[artifact("0"), artifact("x")]);
    site.post(&job, 1, 1, json!([replaced])).await.accepted();
}

#[tokio::test]
async fn announcement_takes_the_worker_s_lease() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let wrong = site.announce(&job, 2, &artifact("a.txt")).await;
    wrong.refused(409, "lease_lost");
    let invalid = site.announce(&job, 1, &artifact("a/b")).await;
    let error = invalid.refused(400, "invalid_body");
    assert_eq!(error["field"], "name");
    site.post(&job, 1, 0, json!([job_complete()]))
        .await
        .accepted();
    let ended = site.announce(&job, 1, &artifact("a.txt")).await;
    ended.refused(409, "job_already_finished");
}
