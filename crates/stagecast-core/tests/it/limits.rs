//! The runner and the time limits of jobs.

use std::{io, time::Duration};

use stage_pipeline::{JobInput, Pipeline, Progress, Retry, Stage, StageError};
use stagecast_contract::{queues::JobQueue, time_limits::JobLimits};
use stagecast_core::{
    clock::Clock,
    pipeline::{RunOutcome, Runner},
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob, claimed, job_as, json, objects, stores, subscribed},
    product::PipelineFunction,
};
use tokio::time::Instant;

/// Runs until it is stopped.
struct Endless;

impl Stage for Endless {
    type Input = ();
    type Output = ();

    const NAME: &'static str = "endless";

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
        loop {
            progress.check_cancelled()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Always fails for a time, with a minute between its attempts.
struct Busy;

impl Stage for Busy {
    type Input = ();
    type Output = ();

    const NAME: &'static str = "busy";
    const RETRY: Retry = Retry {
        max_attempts: 9,
        first_delay: Duration::from_mins(2),
        longest_delay: Duration::from_mins(2),
    };

    async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<(), StageError> {
        Err(StageError::temporary("busy", "the archive is busy"))
    }
}

struct Site {
    aws: TestAws,
    clock: Clock,
    job: TestJob,
}

impl Site {
    async fn new(queue_seconds: Option<u64>, run_seconds: Option<u64>) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let limits = JobLimits {
            queue_seconds,
            run_seconds,
        };
        let job = job_as(&aws, &clock, 1, |job| job.limited(limits)).await;
        subscribed(&aws, &clock, &job, "c1").await;
        Self { aws, clock, job }
    }

    async fn run<S: Stage<Input = ()>>(&self, stage: S) -> RunOutcome {
        let objects = objects::<PipelineFunction>(&self.aws);
        let runner = Runner::new(
            stores::<PipelineFunction>(&self.aws, &self.clock),
            objects.clone(),
            objects,
            || Ok::<_, io::Error>(Pipeline::new().then(stage)),
        );
        let runner = runner.expect("the system has threads");
        let deadline = Instant::now() + Duration::from_mins(10);
        runner
            .run(&self.job.id, deadline)
            .await
            .expect("AWS answers")
    }

    /// The durable messages that the subscriber received.
    fn durable(&self) -> Vec<serde_json::Value> {
        let mut messages = self.aws.take_messages("c1");
        messages.retain(|message| message["type"] != "progress_update");
        messages
    }
}

#[tokio::test]
async fn running_stage_is_stopped_at_the_run_limit() {
    let site = Site::new(None, Some(1)).await;

    let outcome = site.run(Endless).await;

    assert_eq!(outcome, RunOutcome::Ended);
    let messages = site.durable();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let failed = &messages[0];
    assert_eq!(failed["error"]["code"], "job_timed_out");
    assert_eq!(
        (&failed["stage"], &failed["seq"]),
        (&"endless".into(), &1.into())
    );
    let text = failed["error"]["message"].as_str().expect("a message");
    assert!(text.contains("limit of 1 s"), "{text}");
}

#[tokio::test]
async fn run_after_a_hand_on_fails_the_job_whose_time_is_over() {
    let site = Site::new(None, Some(60)).await;
    let mut first = claimed(&site.aws, &site.clock, &site.job).await;
    first.finish_stage("before", None, json("1")).await.unwrap();
    let stores = stores::<PipelineFunction>(&site.aws, &site.clock);
    stores.jobs.release(first.lease()).await.unwrap();
    first.flush().await;
    site.clock.advance(61);

    let outcome = site.run(Endless).await;

    assert_eq!(outcome, RunOutcome::Ended);
    let messages = site.durable();
    assert_eq!(messages[0]["type"], "stage_complete");
    assert_eq!(messages[1]["error"]["code"], "job_timed_out");
    assert_eq!(messages[1]["seq"], 2);
}

#[tokio::test]
async fn attempt_after_the_run_limit_is_not_waited_for() {
    let site = Site::new(None, Some(60)).await;

    let outcome = site.run(Busy).await;

    assert_eq!(outcome, RunOutcome::Ended);
    let failed = site.durable().remove(0);
    assert_eq!(failed["error"]["code"], "job_timed_out");
    let text = failed["error"]["message"].as_str().expect("a message");
    assert!(text.contains("busy: the archive is busy"), "{text}");
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn run_before_the_start_is_held_until_it() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let run_at = clock.now().plus_seconds(100);
    let limits = JobLimits {
        queue_seconds: None,
        run_seconds: Some(1),
    };
    let job = job_as(&aws, &clock, 1, |job| {
        job.limited(limits).starting_at(Some(run_at))
    })
    .await;
    subscribed(&aws, &clock, &job, "c1").await;
    let site = Site { aws, clock, job };

    let early = site.run(Endless).await;
    site.clock.advance(99);
    let still_early = site.run(Endless).await;
    site.clock.advance(1);
    let due = site.run(Endless).await;

    let held = RunOutcome::Held {
        until: run_at.epoch_seconds(),
    };
    assert_eq!([early, still_early, due], [held, held, RunOutcome::Ended]);
    assert_eq!(
        site.durable()[0]["error"]["code"],
        "job_timed_out",
        "its time began at its start"
    );
}

#[tokio::test]
async fn run_that_claims_after_the_queue_limit_fails_the_job() {
    let site = Site::new(Some(10), None).await;
    site.clock.advance(11);

    let outcome = site.run(Endless).await;

    assert_eq!(outcome, RunOutcome::Ended);
    let messages = site.durable();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["error"]["code"], "queue_timeout");
}
