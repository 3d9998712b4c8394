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

use local_aws::{Fault, Times};
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
use tokio::time::Instant;

/// Counts the bytes of the input, and its own runs.
struct Count(Arc<AtomicUsize>);

impl Stage for Count {
    type Input = ();
    type Output = usize;

    const NAME: &'static str = "count";

    async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<usize, StageError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(job.bytes.len())
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
        let job = job(&self.aws, &self.clock, 1).await;
        subscribed(&self.aws, &self.clock, &job, "c1").await;
        objects::<JobsFunction>(&self.aws)
            .put_object::<buckets::Objects>()
            .key(input_key(&job.id))
            .body(b"abc".to_vec().into())
            .send()
            .await
            .expect("the input can be stored");
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
        let item = &self.aws.items::<Jobs>()[0];
        item["status"]["S"].as_str().expect("a status").to_owned()
    }
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
    Runner::new(stores::<PipelineFunction>(aws, clock), objects, build)
        .expect("the system has threads")
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
