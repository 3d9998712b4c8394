//! Artifacts: what stages attach, under which lease, and where they are listed.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use local_aws::Fault;
use serde_json::Value;
use stage_pipeline::{
    ArtifactContent, JobInput, MAX_ARTIFACTS, Pipeline, Progress, Retry, Stage, StageError,
};
use stagecast_contract::{
    buckets::{self, artifact_key, input_key},
    functions::JobsFunction,
    limits::{LEASE_SECONDS, MAX_SINGLE_UPLOAD_BYTES},
    messages::Artifact,
    tables::Jobs,
};
use stagecast_core::{
    clock::Clock,
    delivery::PublishError,
    models::{StoredArtifacts, TerminalState},
    pipeline::{RunOutcome, Runner},
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob, claimed, job, json, objects, stores, subscribed},
    product::PipelineFunction,
};
use tokio::time::Instant;

/// Attaches what its function returns for each attempt, then fails the attempts before the last one.
struct Attach {
    attempts: AtomicU32,
    fails: u32,
    content: fn(u32) -> Vec<(String, ArtifactContent)>,
}

impl Stage for Attach {
    type Input = ();
    type Output = u32;

    const NAME: &'static str = "attach";
    const RETRY: Retry = Retry {
        max_attempts: 3,
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(2),
    };

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<u32, StageError> {
        let attempt = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        for (name, content) in (self.content)(attempt) {
            progress.attach(name, "text/plain", content).await?;
        }
        if attempt <= self.fails {
            return Err(StageError::temporary("busy", "the archive is busy"));
        }
        Ok(attempt)
    }
}

/// Attaches one file.
struct Summarize;

impl Stage for Summarize {
    type Input = u32;
    type Output = u32;

    const NAME: &'static str = "summarize";

    async fn run(&self, _: JobInput, input: u32, progress: &Progress) -> Result<u32, StageError> {
        progress.attach("summary.txt", "text/plain", "done").await?;
        Ok(input)
    }
}

struct Site {
    aws: TestAws,
    clock: Clock,
    job: TestJob,
    runner: Runner<PipelineFunction>,
}

impl Site {
    /// A job of a stage that attaches `content`, of which `fails` attempts fail, and of a second stage.
    async fn new(fails: u32, content: fn(u32) -> Vec<(String, ArtifactContent)>) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let attempts = AtomicU32::new(0);
        let stage = Attach {
            attempts,
            fails,
            content,
        };
        let build = || Ok::<_, io::Error>(Pipeline::new().then(stage).then(Summarize));
        let bucket = objects::<PipelineFunction>(&aws);
        let stores = stores::<PipelineFunction>(&aws, &clock);
        let runner = Runner::new(stores, bucket.clone(), bucket, build);
        let job = job(&aws, &clock, 1).await;
        subscribed(&aws, &clock, &job, "c1").await;
        objects::<JobsFunction>(&aws)
            .put_object::<buckets::Objects>()
            .key(input_key(&job.id))
            .send()
            .await
            .expect("the input can be stored");
        Self {
            runner: runner.expect("the system has threads"),
            aws,
            clock,
            job,
        }
    }

    async fn run(&self) -> RunOutcome {
        let deadline = Instant::now() + Duration::from_mins(10);
        let run = self.runner.run(&self.job.id, deadline);
        run.await.expect("AWS answers")
    }

    /// The artifacts of the job, as its status lists them.
    async fn artifacts(&self) -> StoredArtifacts {
        let stores = stores::<PipelineFunction>(&self.aws, &self.clock);
        let job = stores.jobs.load(&self.job.id).await.expect("AWS answers");
        let artifacts = stores.artifacts.load(&job.expect("a job")).await;
        artifacts.expect("AWS answers")
    }

    async fn content(&self, artifact: &Artifact) -> Vec<u8> {
        let object = objects::<PipelineFunction>(&self.aws)
            .get_object::<buckets::Objects>()
            .key(artifact_key(&self.job.id, &artifact.sha256))
            .send()
            .await;
        let bytes = object.expect("the content").body.collect().await;
        bytes.expect("the content").to_vec()
    }
}

fn names(message: &Value) -> Vec<&str> {
    let artifacts = message["artifacts"].as_array().into_iter().flatten();
    artifacts.filter_map(|it| it["name"].as_str()).collect()
}

fn artifact(name: &str, size: u64) -> Artifact {
    Artifact {
        name: name.to_owned(),
        content_type: "text/plain".to_owned(),
        size,
        sha256: "0a".repeat(32),
    }
}

#[tokio::test]
async fn artifacts_are_listed_by_stage_and_all_at_the_end() {
    let site = Site::new(0, |_| vec![("a.txt".to_owned(), "first".into())]).await;
    assert_eq!(site.run().await, RunOutcome::Ended);
    let mut messages = site.aws.take_messages("c1");
    messages.retain(|message| message["type"] != "progress_update");
    let listed: Vec<_> = messages.iter().map(names).collect();
    assert_eq!(
        listed,
        [
            vec!["a.txt"],
            vec!["summary.txt"],
            vec!["a.txt", "summary.txt"]
        ]
    );
    let all = site.artifacts().await.all();
    assert_eq!(
        messages[2]["artifacts"],
        serde_json::to_value(&all).unwrap()
    );
    assert_eq!(site.content(&all[0]).await, b"first");
}

#[tokio::test]
async fn later_attempt_replaces_what_an_earlier_one_attached() {
    let site = Site::new(1, |attempt| match attempt {
        1 => vec![
            ("a.txt".to_owned(), "first".into()),
            ("log.txt".to_owned(), "it fails".into()),
        ],
        _ => vec![("a.txt".to_owned(), "second".into())],
    })
    .await;
    assert_eq!(site.run().await, RunOutcome::Ended);
    let artifacts = site.artifacts().await;
    let attached = artifacts.named("a.txt").expect("an artifact");
    assert_eq!(site.content(attached).await, b"second");
    let log = artifacts.named("log.txt").expect("an artifact");
    assert_eq!(site.content(log).await, b"it fails");
}

#[tokio::test]
async fn artifact_beyond_64_mb_is_uploaded_in_parts() {
    let site = Site::new(0, |_| {
        let bytes = vec![7_u8; MAX_SINGLE_UPLOAD_BYTES + 1];
        vec![("large.bin".to_owned(), bytes.into())]
    })
    .await;
    assert_eq!(site.run().await, RunOutcome::Ended);
    let large = site.artifacts().await.named("large.bin").cloned();
    let content = site.content(&large.expect("an artifact")).await;
    assert_eq!(content.len(), MAX_SINGLE_UPLOAD_BYTES + 1);
    let calls = site.aws.calls();
    // The begin, five parts and the end of the upload; the input and the artifact of the other stage.
    let puts = calls.count(|call| call.operation == "s3:PutObject");
    assert_eq!(puts, 1 + 5 + 1 + 2);
}

#[tokio::test(start_paused = true)]
async fn failed_calls_are_repeated_and_change_nothing_else() {
    for (operation, fault) in [
        ("s3:PutObject", Fault::Outage),
        ("dynamodb:TransactWriteItems", Fault::Outage),
        ("dynamodb:TransactWriteItems", Fault::LostResponse),
    ] {
        let site = Site::new(0, |_| vec![("a.txt".to_owned(), "first".into())]).await;
        let failing = move |call: &local_aws::Call| call.operation == operation;
        site.aws.fail(0..1, fault, failing);
        assert_eq!(site.run().await, RunOutcome::Ended, "{operation}");
        let artifacts = site.artifacts().await;
        assert_eq!(artifacts.all().len(), 2, "{operation} {fault:?}");
        assert_eq!(artifacts.revision, 2);
    }
}

#[tokio::test]
async fn artifact_beyond_the_limit_fails_the_stage() {
    let site = Site::new(0, |_| {
        let content = || ArtifactContent::from("x");
        let all = 0..=MAX_ARTIFACTS;
        all.map(|number| (format!("{number}.txt"), content()))
            .collect()
    })
    .await;
    assert_eq!(site.run().await, RunOutcome::Ended);
    let item = &site.aws.items::<Jobs>()[0];
    assert_eq!(item["error"]["M"]["code"]["S"], "too_many_artifacts");
    assert_eq!(site.artifacts().await.all().len(), MAX_ARTIFACTS);
}

#[tokio::test]
async fn superseded_run_cannot_attach() {
    let site = Site::new(0, |_| Vec::new()).await;
    let mut first = claimed(&site.aws, &site.clock, &site.job).await;
    let attached = first.attach("attach", &artifact("a.txt", 1)).await;
    assert_eq!(attached.expect("it has the lease"), Ok(()));
    site.clock.advance(LEASE_SECONDS + 1);
    let mut second = claimed(&site.aws, &site.clock, &site.job).await;

    let late = first.attach("attach", &artifact("b.txt", 1)).await;
    assert!(matches!(late, Err(PublishError::LeaseLost)), "{late:?}");
    let again = second.attach("attach", &artifact("a.txt", 2)).await;
    assert_eq!(again.expect("it has the lease"), Ok(()));
    let late = first.attach("attach", &artifact("a.txt", 3)).await;
    assert!(matches!(late, Err(PublishError::LeaseLost)), "{late:?}");

    assert_eq!(site.artifacts().await.all(), [artifact("a.txt", 2)]);
    // The message of the second run lists what the first one has attached, too.
    second
        .finish_stage("attach", None, json("1"))
        .await
        .unwrap();
    let completed = TerminalState::Completed;
    second.end(&completed, None, None).await.unwrap();
    let late = second.attach("attach", &artifact("c.txt", 1)).await;
    assert!(matches!(late, Err(PublishError::LeaseLost)), "{late:?}");
    second.flush().await;
    let messages = site.aws.take_messages("c1");
    let end = messages.last().expect("messages");
    assert_eq!(names(end), ["a.txt"]);
}

#[tokio::test]
async fn overlapping_changes_under_one_lease_are_combined() {
    let site = Site::new(0, |_| Vec::new()).await;
    let first = claimed(&site.aws, &site.clock, &site.job).await;
    let stores = stores::<PipelineFunction>(&site.aws, &site.clock);
    let job = stores.jobs.load(&site.job.id).await.unwrap().unwrap();
    let bucket = objects::<PipelineFunction>(&site.aws);
    let lease = first.lease().clone();
    let publisher = || {
        stagecast_core::delivery::Publisher::new(Arc::clone(&stores), &bucket, &job, lease.clone())
    };
    let (mut one, mut other) = (publisher(), publisher());
    one.attach("attach", &artifact("a.txt", 1))
        .await
        .unwrap()
        .unwrap();
    other
        .attach("attach", &artifact("b.txt", 1))
        .await
        .unwrap()
        .unwrap();
    one.attach("attach", &artifact("c.txt", 1))
        .await
        .unwrap()
        .unwrap();
    let all = site.artifacts().await.all();
    let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a.txt", "b.txt", "c.txt"]);
}
