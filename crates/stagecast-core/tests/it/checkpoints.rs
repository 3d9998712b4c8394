//! Checkpoints of running stages: hand-ons, takeovers and what they cost.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use granted_aws::{Database, Queues};
use raw_json::RawJson;
use serde_json::Value;
use stage_pipeline::{Estimate, JobInput, Pipeline, Progress, Stage, StageCheckpoint, StageError};
use stagecast_contract::{
    buckets::{self, input_key},
    functions::{DeliveryFunction, JobsFunction},
    ids::JobId,
    limits::{LEASE_SECONDS, MAX_INLINE_CHECKPOINT_BYTES},
    messages::WorkAmount,
    queues::JobQueue,
    tables::{JobEvents, Jobs},
};
use stagecast_core::{
    clock::Clock,
    delivery::PublishError,
    pipeline::{RunOutcome, Runner},
    stores::{CheckpointStore, Claim, EventStore, JobStore, ProgressPoint, Saved, WaitingJobStore},
    unattended::Unattended,
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, claimed, job, objects, stores, subscribed},
    product::PipelineFunction,
};
use tokio::time::Instant;

/// Adds up 1 to `last`, and counts the steps that it makes. Each step takes a few milliseconds.
struct Sum {
    last: u64,
    steps: Arc<AtomicUsize>,
    padding: usize,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    done: u64,
    sum: u64,
    padding: String,
}

impl Stage for Sum {
    type Input = ();
    type Output = u64;

    const NAME: &'static str = "sum";
    const CHECKPOINTS: bool = true;

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<u64, StageError> {
        let mut state: State = progress.resume()?.unwrap_or_default();
        state.padding = "x".repeat(self.padding);
        while state.done < self.last {
            tokio::time::sleep(Duration::from_millis(3)).await;
            self.steps.fetch_add(1, Ordering::SeqCst);
            state.done += 1;
            state.sum += state.done;
            let percent = u8::try_from(100 * state.done / self.last).unwrap_or(100);
            progress.report(percent, format!("Step {}...", state.done));
            progress.checkpoint(&state).await?;
        }
        Ok(state.sum)
    }
}

struct Site {
    aws: TestAws,
    clock: Clock,
    runner: Runner<PipelineFunction>,
    steps: Arc<AtomicUsize>,
    last: u64,
}

impl Site {
    fn new(last: u64, padding: usize) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let steps = Arc::new(AtomicUsize::new(0));
        let stage = Sum {
            last,
            steps: Arc::clone(&steps),
            padding,
        };
        let build = || Ok::<_, io::Error>(Pipeline::new().then(stage));
        let bucket = objects::<PipelineFunction>(&aws);
        let stores = stores::<PipelineFunction>(&aws, &clock);
        let runner =
            Runner::new(stores, bucket.clone(), bucket, build).expect("the system has threads");
        Self {
            aws,
            clock,
            runner,
            steps,
            last,
        }
    }

    async fn job(&self) -> JobId {
        let job = job(&self.aws, &self.clock, 1).await;
        subscribed(&self.aws, &self.clock, &job, "c1").await;
        objects::<JobsFunction>(&self.aws)
            .put_object::<buckets::Objects>()
            .key(input_key(&job.id))
            .send()
            .await
            .expect("the input can be stored");
        job.id
    }

    /// A run in a function that has `time` left.
    async fn run(&self, job: &JobId, time: Duration) -> RunOutcome {
        let run = self.runner.run(job, Instant::now() + time);
        run.await.expect("AWS answers")
    }

    fn item(&self) -> Value {
        self.aws.items::<Jobs>()[0].clone()
    }
}

/// Requires that a watcher saw one stage whose progress never went back, and that the log has one end with
/// the right results.
fn assert_continuous_stage_with_its_result(site: &Site) {
    let mut last = (0, 0);
    for message in &site.aws.take_messages("c1") {
        assert_eq!(message["attempt"].as_u64().unwrap_or(1), 1, "{message}");
        let seq = message["seq"].as_u64().expect("every message has one");
        let progress = message["progress"].as_u64().unwrap_or(last.1);
        assert!(seq >= last.0 && progress >= last.1, "{last:?}: {message}");
        last = (seq, progress);
    }
    let events = site.aws.items::<JobEvents>();
    let logged = events
        .iter()
        .filter_map(|item| item["message"]["S"].as_str());
    let logged = logged.filter_map(|message| serde_json::from_str::<Value>(message).ok());
    let ends: Vec<_> = logged
        .filter(|message| message["type"] == "job_complete")
        .collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["results"], site.last * (site.last + 1) / 2);
}

#[tokio::test]
async fn stage_that_is_longer_than_its_function_is_handed_on_without_repeated_work() {
    let site = Site::new(300, 0);
    let job = site.job().await;
    let mut runs = 1;
    while site.run(&job, Duration::from_millis(400)).await == RunOutcome::HandedBack {
        assert_eq!(site.aws.queued::<JobQueue>().len(), runs);
        assert_eq!(site.item()["status"]["S"], "queued");
        runs += 1;
    }
    assert!(runs > 3, "more runs than attempts without progress: {runs}");
    assert_continuous_stage_with_its_result(&site);
    // On a busy machine, the deadline may come before the next checkpoint, once in each run.
    let repeated = site.steps.load(Ordering::SeqCst) as u64 - site.last;
    assert!(repeated < runs as u64, "{repeated} repeated steps");
}

#[tokio::test]
async fn stage_whose_runs_are_killed_at_random_points_ends_once_with_its_result() {
    let site = Site::new(30, 0);
    let job = site.job().await;
    let (mut kills, mut is_ended) = (0, false);
    while !is_ended {
        // After a first run without a checkpoint, the next one would start the next attempt; after three
        // runs without one, the job would fail.
        let needs_progress = kills % 3 == 0;
        let before = site.item()["epoch"].clone();
        let has_checkpoint = || {
            let item = site.item();
            item["epoch"] != before && item["attempts_without_progress"]["N"] == "0"
        };
        let kill = async {
            while needs_progress && !has_checkpoint() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..100))).await;
        };
        tokio::select! {
            outcome = site.run(&job, Duration::from_secs(2)) => {
                is_ended = outcome == RunOutcome::Ended;
            }
            () = kill => kills += 1,
        }
        // The lease of a killed run has to end.
        site.clock.advance(LEASE_SECONDS + 1);
    }
    assert!(kills > 0);
    assert_continuous_stage_with_its_result(&site);
}

#[tokio::test]
async fn large_states_are_continued_from_the_bucket() {
    let site = Site::new(150, MAX_INLINE_CHECKPOINT_BYTES);
    let job = site.job().await;
    let mut outcome = RunOutcome::HandedBack;
    while outcome == RunOutcome::HandedBack {
        outcome = site.run(&job, Duration::from_millis(400)).await;
    }
    assert_eq!(outcome, RunOutcome::Ended);
    assert_continuous_stage_with_its_result(&site);
}

fn checkpoint(state: &str) -> (StageCheckpoint, ProgressPoint) {
    let checkpoint = StageCheckpoint {
        stage: "sum".to_owned(),
        state: RawJson::from_text(state.to_owned()).expect("JSON"),
        percent: 40,
        message: "Adding...".to_owned(),
        stage_elapsed: Duration::from_secs(4),
        job_elapsed: Duration::from_secs(5),
        estimate: Estimate::default(),
    };
    let point = ProgressPoint {
        stage: "sum".to_owned(),
        progress: 40,
        overall_progress: 40,
        message: "Adding...".to_owned(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    };
    (checkpoint, point)
}

#[tokio::test]
async fn checkpoint_costs_two_writes_and_a_large_state_one_object() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let mut publisher = claimed(&aws, &clock, &job).await;
    let large = format!("\"{}\"", "x".repeat(MAX_INLINE_CHECKPOINT_BYTES));
    for (state, objects) in [("1", 0), (large.as_str(), 1)] {
        aws.calls().clear();
        let (checkpoint, point) = checkpoint(state);
        publisher.checkpoint(&checkpoint, &point).await.unwrap();
        let writes = |operation: &str| aws.calls().count(|call| call.operation == operation);
        assert_eq!(writes("dynamodb:PutItem"), 1);
        assert_eq!(writes("dynamodb:UpdateItem"), 1);
        assert_eq!(writes("s3:PutObject"), objects);
    }
    let item = &aws.items::<Jobs>()[0];
    assert_eq!(item["attempts_without_progress"]["N"], "0");
    assert_eq!(item["checkpoint_attempt"]["N"], "1");
}

#[tokio::test]
async fn run_that_lost_its_lease_cannot_replace_the_checkpoint_of_the_next() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let mut first = claimed(&aws, &clock, &job).await;
    clock.advance(LEASE_SECONDS + 1);
    let mut second = claimed(&aws, &clock, &job).await;
    let ((early, point), (late, _)) = (checkpoint("1"), checkpoint("2"));

    second.checkpoint(&late, &point).await.unwrap();
    let refused = first.checkpoint(&early, &point).await;

    assert!(matches!(refused, Err(PublishError::LeaseLost)));
    let stores = stores::<PipelineFunction>(&aws, &clock);
    let bucket = objects::<PipelineFunction>(&aws);
    let store = CheckpointStore::new(stores.events.clone(), bucket);
    assert_eq!(store.load(&job.id).await.unwrap(), Some(late));
}

#[tokio::test]
async fn state_that_is_being_replaced_stays_readable() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let stores = stores::<PipelineFunction>(&aws, &clock);
    let Ok(Claim::Acquired { lease, .. }) = stores.jobs.claim(&job.id).await else {
        panic!("the job is queued");
    };
    let store = CheckpointStore::new(stores.events.clone(), objects::<PipelineFunction>(&aws));
    let large = |letter: &str| {
        checkpoint(&format!(
            "\"{}\"",
            letter.repeat(MAX_INLINE_CHECKPOINT_BYTES)
        ))
        .0
    };
    let saved = store.save(&lease, 0, 0, &large("a"), 9).await.unwrap();
    assert_eq!(saved, Saved::Saved);
    // Killed after the object, before the item.
    aws.faults()
        .on_call(|call| (call.operation == "dynamodb:PutItem").then_some(local_aws::Fault::Outage));
    assert!(store.save(&lease, 0, 1, &large("b"), 9).await.is_err());
    aws.faults().clear();
    assert_eq!(store.load(&job.id).await.unwrap(), Some(large("a")));
}

#[tokio::test]
async fn stage_that_is_committed_without_its_run_leaves_the_next_no_checkpoint() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let mut publisher = claimed(&aws, &clock, &job).await;
    let (checkpoint, point) = checkpoint("1");
    publisher.checkpoint(&checkpoint, &point).await.unwrap();
    // The run dies between the log and the commit.
    aws.faults().on_call(|call| {
        (call.operation == "dynamodb:UpdateItem").then_some(local_aws::Fault::Outage)
    });
    let results = RawJson::null();
    let finished = publisher.finish_stage("sum", Some(50), results).await;
    assert!(finished.is_err());
    aws.faults().clear();
    clock.advance(LEASE_SECONDS + 1);
    let config = aws.config::<DeliveryFunction>();
    let environment = fixtures::environment::<DeliveryFunction>(&aws);
    let database = Database::new(&config, &environment);
    let jobs = JobStore::new(database.clone(), clock.clone());
    let dead = jobs.load(&job.id).await.unwrap().expect("the job");
    assert_eq!(dead.checkpoint_attempt, Some(1));
    let unattended = Unattended::new(
        jobs.clone(),
        EventStore::new(database.clone()),
        WaitingJobStore::new(database, clock.clone()),
        Queues::new(&config, &environment),
        clock.clone(),
    );

    unattended.settle(&dead, None).await.unwrap();

    let settled = jobs.load(&job.id).await.unwrap().expect("the job");
    assert_eq!((settled.seq, settled.checkpoint_attempt), (1, None));
}
