//! The runner: stages, checkpoints, resumption, cancellation and failure.

use stagecast_testing::product::PipelineFunction;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use granted_aws::Objects;
use local_aws::{Fault, Times};
use serde_json::Value;
use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
use stagecast_contract::{
    buckets::{self, input_key},
    functions::JobsFunction,
    ids::JobId,
    limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
    queues::JobQueue,
    tables::{JobEvents, Jobs},
};
use stagecast_core::{
    clock::Clock,
    pipeline::{RunError, RunOutcome, Runner},
    stores::Claim,
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, job, objects, stores, subscribed},
};
use tokio::{io::AsyncReadExt as _, time::Instant};

/// Counts the bytes of the input, and its own runs.
struct Count(Arc<AtomicUsize>);

impl Stage for Count {
    type Input = ();
    type Output = usize;

    const NAME: &'static str = "count";

    async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<usize, StageError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(job.bytes().await?.len())
    }
}

/// Doubles the count of the first stage, or follows the script of a test.
struct Double(StageScript);

#[derive(Clone, Copy)]
enum StageScript {
    Succeed,
    Fail,
    Panic,
    WaitForCancellation,
}

impl Stage for Double {
    type Input = usize;
    type Output = usize;

    const NAME: &'static str = "double";

    async fn run(
        &self,
        _: JobInput,
        count: usize,
        progress: &Progress,
    ) -> Result<usize, StageError> {
        match self.0 {
            StageScript::Succeed => Ok(count * 2),
            StageScript::Fail => Err(StageError::failed("too_short", "the text is too short")),
            StageScript::Panic => panic!("the stage has a bug"),
            StageScript::WaitForCancellation => loop {
                progress.check_cancelled()?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            },
        }
    }
}

struct Site {
    aws: TestAws,
    clock: Clock,
    runner: Runner<PipelineFunction>,
    counted: Arc<AtomicUsize>,
}

impl Site {
    fn new(script: StageScript) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let counted = Arc::new(AtomicUsize::new(0));
        let runner = runner(&aws, &clock, &counted, script);
        Self {
            aws,
            clock,
            runner,
            counted,
        }
    }

    /// A job whose input is `abc` and that the connection `c1` is subscribed to.
    async fn job(&self) -> JobId {
        self.numbered_job(1).await
    }

    async fn numbered_job(&self, number: u8) -> JobId {
        let job = job(&self.aws, &self.clock, number).await;
        subscribed(&self.aws, &self.clock, &job, "c1").await;
        store_input(&objects(&self.aws), &job.id, b"abc".to_vec()).await;
        job.id
    }

    async fn run(&self, job_id: &JobId) -> Result<RunOutcome, RunError> {
        let deadline = Instant::now() + Duration::from_mins(10);
        self.runner.run(job_id, deadline).await
    }

    /// The types of the durable messages that `c1` received.
    fn durable(&self) -> Vec<String> {
        let messages = self.aws.take_messages("c1").into_iter();
        let types = messages.filter_map(|message| message["type"].as_str().map(str::to_owned));
        types.filter(|name| name != "progress_update").collect()
    }

    fn status(&self) -> String {
        let items = self.aws.items::<Jobs>();
        let mut statuses = items.iter().filter_map(|item| item["status"]["S"].as_str());
        statuses.next().expect("a job").to_owned()
    }
}

async fn store_input(objects: &Objects<JobsFunction>, job_id: &JobId, bytes: Vec<u8>) {
    objects
        .put_object::<buckets::Objects>()
        .key(input_key(job_id))
        .body(bytes.into())
        .send()
        .await
        .expect("the input can be stored");
}

fn runner(
    aws: &TestAws,
    clock: &Clock,
    counted: &Arc<AtomicUsize>,
    script: StageScript,
) -> Runner<PipelineFunction> {
    let objects = objects::<PipelineFunction>(aws);
    let build = || {
        let pipeline = Pipeline::new()
            .then(Count(Arc::clone(counted)))
            .then(Double(script));
        Ok::<_, io::Error>(pipeline)
    };
    let stores = stores::<PipelineFunction>(aws, clock);
    Runner::new(stores, objects.clone(), objects, build).expect("the system has threads")
}

#[tokio::test]
async fn job_runs_through_its_stages_to_its_results() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;

    let outcome = site.run(&job).await.unwrap();

    assert_eq!(outcome, RunOutcome::Ended);
    let messages = site.aws.take_messages("c1");
    let last = messages.last().unwrap();
    assert_eq!(last["type"], "job_complete");
    assert_eq!(last["results"], 6);
    assert_eq!(site.status(), "completed");
    assert_eq!(site.aws.items::<JobEvents>().len(), 3);
}

#[tokio::test]
async fn second_job_has_an_estimate_from_its_start() {
    let site = Site::new(StageScript::Succeed);
    let mut first_estimates = Vec::new();
    for number in [1, 2] {
        let job = site.numbered_job(number).await;
        site.run(&job).await.unwrap();
        let messages = site.aws.take_messages("c1").into_iter();
        let mut of_job = messages.filter(|message| message["job_id"] == job.as_str());
        let first = of_job.find(|message| message["type"] == "progress_update");
        first_estimates.push(first.expect("progress")["estimated_seconds_remaining"].clone());
    }
    assert_eq!(first_estimates[0], Value::Null);
    assert!(first_estimates[1].is_u64(), "{first_estimates:?}");
    let items = site.aws.items::<Jobs>();
    let lists = items.iter().map(|item| &item["histories"]["L"]);
    let histories: Vec<_> = lists.filter_map(Value::as_array).collect();
    // Two jobs of each of two stages.
    let [stages] = histories[..] else {
        panic!("{items:?}");
    };
    assert_eq!(stages.len(), 2);
    assert!(
        stages.iter().all(|stage| stage["L"][0]["N"] == "2"),
        "{stages:?}"
    );
}

#[tokio::test]
async fn job_completes_when_its_history_cannot_be_read() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    // The first read of a run is that of the history.
    site.aws.fail(0..1, Fault::Denied, |call| {
        call.operation == "dynamodb:GetItem" && call.resource == "jobs"
    });

    assert_eq!(site.run(&job).await.unwrap(), RunOutcome::Ended);

    assert_eq!(site.status(), "completed");
}

#[tokio::test]
async fn ended_job_is_not_run_again() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    site.run(&job).await.unwrap();

    let outcome = site.run(&job).await.unwrap();

    assert_eq!(outcome, RunOutcome::Ended);
    assert_eq!(site.counted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn unknown_job_is_not_run() {
    let site = Site::new(StageScript::Succeed);
    let unknown = JobId::new(fixtures::START, [9; 8]);

    assert_eq!(site.run(&unknown).await.unwrap(), RunOutcome::Unknown);
}

#[tokio::test]
async fn job_of_another_run_is_not_run() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    let other = stores::<PipelineFunction>(&site.aws, &site.clock);
    assert!(matches!(
        other.jobs.claim(&job).await.unwrap(),
        Claim::Acquired { .. }
    ));

    let outcome = site.run(&job).await.unwrap();

    assert!(matches!(outcome, RunOutcome::Held { .. }), "{outcome:?}");
    assert_eq!(site.counted.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn failing_stage_fails_the_job_with_its_code() {
    let site = Site::new(StageScript::Fail);
    let job = site.job().await;

    site.run(&job).await.unwrap();

    let messages = site.aws.take_messages("c1");
    let last = messages.last().unwrap();
    assert_eq!(last["type"], "job_failed");
    assert_eq!(last["error"]["code"], "too_short");
    assert_eq!(last["stage"], "double");
    assert_eq!(site.status(), "failed");
}

#[tokio::test]
async fn panicking_stage_fails_the_job() {
    let site = Site::new(StageScript::Panic);
    let job = site.job().await;

    site.run(&job).await.unwrap();

    assert_eq!(site.durable(), ["stage_complete", "job_failed"]);
}

#[tokio::test]
async fn finished_stage_is_not_repeated_by_the_next_run() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    // Writes to the log fail from the second on: only the first stage is committed.
    let committed = Arc::new(AtomicUsize::new(0));
    site.aws.faults().on_call(move |call| {
        let is_event = call.operation == "dynamodb:PutItem";
        let events = committed.fetch_add(usize::from(is_event), Ordering::SeqCst);
        (is_event && events > 0).then_some(Fault::Outage)
    });
    site.run(&job).await.unwrap_err();
    site.aws.faults().clear();
    site.clock.advance(60);

    let outcome = site.run(&job).await.unwrap();

    assert_eq!(outcome, RunOutcome::Ended);
    assert_eq!(site.counted.load(Ordering::SeqCst), 1);
    assert_eq!(site.status(), "completed");
}

#[tokio::test]
async fn missing_input_is_an_error_and_the_attempt_is_refunded() {
    let site = Site::new(StageScript::Succeed);
    let job = job(&site.aws, &site.clock, 1).await;

    let error = site.run(&job.id).await.unwrap_err();

    assert!(matches!(error, RunError::Input { .. }), "{error}");
    let item = &site.aws.items::<Jobs>()[0];
    assert_eq!(item["attempts_without_progress"]["N"], "0");
}

/// The calls of the bucket so far.
fn reads(site: &Site) -> u64 {
    let calls = site.aws.calls().all();
    let reads = calls
        .iter()
        .filter(|(call, _)| call.operation == "s3:GetObject");
    reads.map(|(_, count)| *count).sum()
}

/// Runs the job with the stages `Reading`, the first of which is given.
async fn run_reading(site: &Site, job: &JobId, stage: Reading) -> Result<RunOutcome, RunError> {
    let objects = objects::<PipelineFunction>(&site.aws);
    let stores = stores::<PipelineFunction>(&site.aws, &site.clock);
    let build = || Ok::<_, io::Error>(Pipeline::new().then(stage));
    let runner = Runner::new(stores, objects.clone(), objects, build).expect("threads");
    let deadline = Instant::now() + Duration::from_mins(10);
    runner.run(job, deadline).await
}

/// A way to read the input.
enum Reading {
    /// The stage does not read it.
    Nothing,
    /// As bytes, as a stream and as a file.
    Everything,
    /// With a limit in bytes.
    UpTo(u64),
    /// As a stream, while a client replaces the object.
    WhileItIsReplaced(Objects<JobsFunction>),
}

impl Stage for Reading {
    type Input = ();
    type Output = u64;

    const NAME: &'static str = "reading";

    async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<u64, StageError> {
        match self {
            Self::Nothing => Ok(0),
            Self::Everything => {
                let mut streamed = Vec::new();
                job.reader().read_to_end(&mut streamed).await?;
                assert_eq!(job.bytes().await?, streamed);
                assert_eq!(tokio::fs::read(job.file().await?).await?, streamed);
                Ok(job.size().await?)
            }
            Self::UpTo(limit) => Ok(job.bytes_up_to(*limit).await?.len() as u64),
            Self::WhileItIsReplaced(objects) => {
                let mut reader = job.reader();
                reader.read_u8().await?;
                let job_id = job.job_id.parse().expect("a job id");
                store_input(objects, &job_id, vec![2; LARGE]).await;
                reader.read_to_end(&mut Vec::new()).await?;
                Ok(reader.position())
            }
        }
    }
}

/// An input that takes more than one request.
const LARGE: usize = 5 * 1024 * 1024;

#[tokio::test]
async fn input_is_fetched_once_by_the_stages_that_read_it() {
    for (stage, fetched) in [(Reading::Nothing, 0), (Reading::Everything, 1)] {
        let site = Site::new(StageScript::Succeed);
        let job = site.job().await;
        let before = reads(&site);

        run_reading(&site, &job, stage).await.unwrap();

        assert_eq!(reads(&site) - before, fetched);
        assert_eq!(site.status(), "completed");
    }
}

#[tokio::test]
async fn input_of_several_requests_is_read_as_it_was_stored() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    let bytes = (0..LARGE).map(|index| u8::try_from(index % 251).unwrap());
    store_input(&objects(&site.aws), &job, bytes.collect()).await;

    run_reading(&site, &job, Reading::Everything).await.unwrap();

    let messages = site.aws.take_messages("c1");
    assert_eq!(messages.last().unwrap()["results"], LARGE);
}

#[tokio::test]
async fn empty_input_is_read() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    store_input(&objects(&site.aws), &job, Vec::new()).await;

    run_reading(&site, &job, Reading::Everything).await.unwrap();

    assert_eq!(site.status(), "completed");
}

#[tokio::test]
async fn read_of_the_input_is_repeated_after_an_outage_of_the_bucket() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    let failures = Times::new(1);
    site.aws.faults().on_call(move |call| {
        (call.operation == "s3:GetObject" && failures.take()).then_some(Fault::Outage)
    });

    run_reading(&site, &job, Reading::Everything).await.unwrap();

    assert_eq!(site.status(), "completed");
}

#[tokio::test]
async fn input_that_is_replaced_while_it_is_read_fails_the_job() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    store_input(&objects(&site.aws), &job, vec![1; LARGE]).await;

    let stage = Reading::WhileItIsReplaced(objects(&site.aws));
    run_reading(&site, &job, stage).await.unwrap();

    let messages = site.aws.take_messages("c1");
    assert_eq!(messages.last().unwrap()["error"]["code"], "input_replaced");
}

#[tokio::test]
async fn input_larger_than_the_stage_takes_fails_the_job_with_both_sizes() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;

    run_reading(&site, &job, Reading::UpTo(2)).await.unwrap();

    let messages = site.aws.take_messages("c1");
    let error = &messages.last().unwrap()["error"];
    assert_eq!(error["code"], "input_too_large_for_memory");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("3 bytes") && message.contains("limit is 2"),
        "{message}"
    );
}

#[tokio::test]
async fn job_fails_after_too_many_runs_without_progress() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    let jobs = stores::<PipelineFunction>(&site.aws, &site.clock);
    for _ in 0..MAX_ATTEMPTS_WITHOUT_PROGRESS {
        // A run that dies.
        assert!(matches!(
            jobs.jobs.claim(&job).await.unwrap(),
            Claim::Acquired { .. }
        ));
        site.clock.advance(60);
    }

    site.run(&job).await.unwrap();

    assert_eq!(site.status(), "failed");
    assert_eq!(site.counted.load(Ordering::SeqCst), 0);
    assert_eq!(site.durable(), ["job_failed"]);
}

#[tokio::test]
async fn cancelled_job_ends_before_its_first_stage() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    let jobs = stores::<PipelineFunction>(&site.aws, &site.clock);
    jobs.jobs.request_cancel(&job).await.unwrap();

    site.run(&job).await.unwrap();

    assert_eq!(site.durable(), ["job_cancelled"]);
    assert_eq!(site.counted.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn running_stage_is_cancelled() {
    let site = Site::new(StageScript::WaitForCancellation);
    let job = site.job().await;
    let jobs = stores::<PipelineFunction>(&site.aws, &site.clock);
    let cancel = async {
        // Once the first stage has finished, the second one is running.
        while site.aws.items::<JobEvents>().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        jobs.jobs.request_cancel(&job).await.unwrap();
    };

    let (outcome, ()) = tokio::join!(site.run(&job), cancel);

    assert_eq!(outcome.unwrap(), RunOutcome::Ended);
    assert_eq!(site.durable(), ["stage_complete", "job_cancelled"]);
}

#[tokio::test]
async fn job_is_handed_back_at_the_deadline() {
    let site = Site::new(StageScript::WaitForCancellation);
    let job = site.job().await;

    let outcome = site
        .runner
        .run(&job, Instant::now() + Duration::from_millis(50))
        .await
        .unwrap();

    assert_eq!(outcome, RunOutcome::HandedBack);
    assert_eq!(site.status(), "queued");
    assert_eq!(site.aws.queued::<JobQueue>()[0]["job_id"], job.as_str());
}

#[tokio::test]
async fn durable_message_is_published_despite_failing_writes() {
    let site = Site::new(StageScript::Succeed);
    let job = site.job().await;
    let failures = Times::new(2);
    site.aws.faults().on_call(move |call| {
        (call.operation == "dynamodb:PutItem" && failures.take()).then_some(Fault::Outage)
    });

    site.run(&job).await.unwrap();

    assert_eq!(
        site.durable(),
        ["stage_complete", "stage_complete", "job_complete"]
    );
}
