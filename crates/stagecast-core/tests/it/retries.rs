//! Attempts at a stage after temporary failures, and its time limit.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stage_pipeline::{JobInput, Pipeline, Progress, Retry, Stage, StageError};
use stagecast_contract::{
    buckets::{self, input_key},
    functions::JobsFunction,
    messages::{JobStatus, WorkAmount},
    queues::JobQueue,
    tables::Jobs,
    timestamp::Timestamp,
};
use stagecast_core::{
    pipeline::{RunOutcome, Runner},
    stores::ProgressPoint,
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, cancel, claimed, job, objects, stores, subscribed},
    product::PipelineFunction,
};
use tokio::time::Instant;

/// Fails for a time in its first `FAILURES` attempts. `DELAY` is the shortest wait between attempts, in
/// seconds.
struct Flaky<const FAILURES: u32, const DELAY: u64>(Arc<AtomicU32>);

impl<const FAILURES: u32, const DELAY: u64> Stage for Flaky<FAILURES, DELAY> {
    type Input = ();
    type Output = u32;

    const NAME: &'static str = "flaky";
    const RETRY: Retry = Retry {
        max_attempts: 3,
        first_delay: Duration::from_secs(2 * DELAY),
        longest_delay: Duration::from_secs(2 * DELAY),
    };

    async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<u32, StageError> {
        let attempt = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        if attempt > FAILURES {
            return Ok(attempt);
        }
        Err(StageError::temporary("busy", "the archive is busy"))
    }
}

/// Never ends, within its time limit.
struct Endless;

impl Stage for Endless {
    type Input = ();
    type Output = ();

    const NAME: &'static str = "endless";
    const TIME_LIMIT: Option<Duration> = Some(Duration::from_millis(20));

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
        loop {
            progress.check_cancelled()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Runs a job with the stage until its run ends; twice, if it is handed back. Returns what happened, and
/// the messages that a subscriber received.
async fn run<S: Stage<Input = ()>>(stage: S) -> (TestAws, Vec<RunOutcome>, Vec<serde_json::Value>) {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let bucket = objects::<PipelineFunction>(&aws);
    let build = || Ok::<_, io::Error>(Pipeline::new().then(stage));
    let runner = Runner::new(
        stores::<PipelineFunction>(&aws, &clock),
        bucket.clone(),
        bucket,
        build,
    );
    let runner = runner.expect("the system has threads");
    let job = job(&aws, &clock, 1).await;
    subscribed(&aws, &clock, &job, "c1").await;
    objects::<JobsFunction>(&aws)
        .put_object::<buckets::Objects>()
        .key(input_key(&job.id))
        .send()
        .await
        .expect("the input can be stored");
    let mut outcomes = Vec::new();
    while !matches!(outcomes.last(), Some(RunOutcome::Ended)) && outcomes.len() < 3 {
        let deadline = Instant::now() + Duration::from_mins(10);
        let outcome = runner.run(&job.id, deadline).await.expect("AWS answers");
        outcomes.push(outcome);
        if let RunOutcome::Held { until } = outcome {
            clock.advance(until - clock.now().epoch_seconds());
        }
    }
    let messages = aws.take_messages("c1");
    (aws, outcomes, messages)
}

fn flaky<const FAILURES: u32, const DELAY: u64>() -> Flaky<FAILURES, DELAY> {
    Flaky(Arc::default())
}

#[tokio::test]
async fn temporary_failure_is_attempted_again_in_the_same_run() {
    let (_, outcomes, messages) = run(flaky::<2, 0>()).await;
    assert_eq!(outcomes, [RunOutcome::Ended]);
    let last = messages.last().expect("a message");
    assert_eq!(
        (&last["type"], &last["results"]),
        (&"job_complete".into(), &3.into())
    );
    let attempts: Vec<_> = messages
        .iter()
        .filter_map(|message| message["attempt"].as_u64())
        .collect();
    // The update of the second attempt may be replaced before it is posted.
    assert!(
        attempts.is_sorted() && attempts.last() == Some(&3),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn later_attempt_is_made_by_another_run_and_announced() {
    let (aws, outcomes, messages) = run(flaky::<1, 60>()).await;
    // The second message comes too early: it is a duplicate, or the watchdog's.
    let [
        RunOutcome::HandedBack,
        RunOutcome::Held { until },
        RunOutcome::Ended,
    ] = outcomes[..]
    else {
        panic!("{outcomes:?}");
    };
    let announced = messages
        .iter()
        .find(|message| message.get("retry_at").is_some())
        .expect("the retry is announced");
    assert_eq!(
        (&announced["attempt"], &announced["max_attempts"]),
        (&2.into(), &3.into())
    );
    let due = Timestamp::from_epoch_seconds(until).to_string();
    assert_eq!(announced["retry_at"], due);
    let text = announced["message"].as_str().expect("a message");
    assert!(text.contains("after: the archive is busy (busy)"), "{text}");
    let second = messages
        .iter()
        .rfind(|message| message["type"] == "progress_update")
        .expect("progress");
    assert_eq!(second["attempt"], 2);
    assert!(second.get("retry_at").is_none(), "{second}");
    let queued = &aws.queued::<JobQueue>()[0];
    assert_eq!(queued["job_id"], messages[0]["job_id"]);
    let item = &aws.items::<Jobs>()[0];
    assert!(item.get("max_attempts").is_none(), "{item}");
}

#[tokio::test]
async fn job_that_is_cancelled_while_it_waits_for_an_attempt_has_no_retry() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job(&aws, &clock, 1).await;
    let mut publisher = claimed(&aws, &clock, &job).await;
    let point = ProgressPoint {
        stage: "flaky".to_owned(),
        progress: 0,
        overall_progress: 0,
        message: "Attempt 2 of 3...".to_owned(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    };
    let at = clock.now().plus_seconds(60);
    publisher.retry(2, &point, at, 3).await.unwrap();
    let stores = stores::<PipelineFunction>(&aws, &clock);
    let released = stores.jobs.release(publisher.lease()).await.unwrap();
    let waiting = released.expect("the lease is held").snapshot();
    assert_eq!((waiting.attempt, waiting.retry_at), (Some(2), Some(at)));

    cancel(&aws, &clock, &job).await.unwrap();

    let ended = stores.jobs.load(&job.id).await.unwrap().expect("the job");
    assert_eq!(ended.status, JobStatus::Cancelled);
    assert_eq!(ended.retry_at, None);
}

#[tokio::test]
async fn job_fails_with_the_error_of_the_last_attempt() {
    let (_, outcomes, messages) = run(flaky::<9, 0>()).await;
    assert_eq!(outcomes, [RunOutcome::Ended]);
    let last = messages.last().expect("a message");
    assert_eq!(last["error"]["code"], "busy");
}

#[tokio::test]
async fn stage_beyond_its_time_limit_fails_with_a_code() {
    let (_, outcomes, messages) = run(Endless).await;
    assert_eq!(outcomes, [RunOutcome::Ended]);
    let last = messages.last().expect("a message");
    assert_eq!(last["error"]["code"], "stage_timed_out");
    let text = last["error"]["message"].as_str().expect("a message");
    assert!(text.contains("time limit of 0.02 s"), "{text}");
}
