//! Runs the stages of a pipeline one after the other.

use std::{convert::Infallible, io, ops::ControlFlow, time::Duration};

use raw_json::RawJson;

use super::{
    executor::{StageExecutor, StagePanic},
    interface::{FinishedStage, Host},
    reporter::{Reporter, Stopwatch},
    supervise::{Supervised, supervise},
};
use crate::{
    checkpoint::StageCheckpoint,
    error::StageFailure,
    estimate::{Estimate, StageOutlook},
    input::JobInput,
    pipeline::{Pipeline, Step},
    progress::Progress,
    retry::StageRetry,
    update::ProgressUpdate,
    weight::StageWeight,
};

/// A pipeline and the threads that its stages run on. It runs any number of jobs, also at the same time.
#[derive(Debug)]
pub struct Engine {
    steps: Vec<Step>,
    executor: StageExecutor,
}

/// Where a run starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The number of stages that have finished: the run starts with the stage after them.
    pub finished: usize,
    /// The results of the last one of these; `null` if there is none.
    pub results: RawJson,
    /// The number of the attempt at the stage after them, from 1.
    pub attempt: u32,
    /// The last checkpoint of the stage after them, if it has stored one. A checkpoint of another stage is
    /// ignored.
    pub stage: Option<StageCheckpoint>,
}

impl Checkpoint {
    /// Before the first stage.
    pub fn start() -> Self {
        Self {
            finished: 0,
            results: RawJson::null(),
            attempt: 1,
            stage: None,
        }
    }
}

/// Why a run has ended before its last stage has. `S` is the host's [`Stop`](Host::Stop).
#[derive(Debug, thiserror::Error)]
pub enum Unfinished<S = Infallible> {
    /// A stage failed. The job cannot be completed, except after a [`StageFailure::Input`] that
    /// [is retryable](crate::InputError::is_retryable): a later run may complete it.
    #[error("{stage} failed: {failure}")]
    Failed {
        /// The stage's name.
        stage: &'static str,
        /// The reason.
        failure: StageFailure,
    },
    /// The host stopped the run. A later run can resume from the host's last checkpoint.
    #[error("the run was stopped during {stage}")]
    Stopped {
        /// The name of the stage that was running, or had just ended.
        stage: &'static str,
        /// The host's reason.
        stop: S,
    },
    /// The operating system could not start a thread for a stage.
    #[error("no thread could be started for {stage}: {cause}")]
    Thread {
        /// The stage's name.
        stage: &'static str,
        /// The error of the operating system.
        cause: io::Error,
    },
}

/// What an attempt at a stage starts from.
struct Attempt<'a> {
    step: &'a Step,
    weight: StageWeight,
    resumed: Option<StageCheckpoint>,
}

/// The end of an attempt at a stage.
enum Attempted {
    Finished(RawJson),
    /// The reason, and the last checkpoint.
    Failed(StageFailure, Option<Box<StageCheckpoint>>),
}

/// The time that a job has run, and the estimate of the rest.
struct JobClock {
    stopwatch: Stopwatch,
    estimate: Estimate,
}

impl Engine {
    /// An engine for the pipeline that `build` returns. `build` is called on the stages' runtime, so that
    /// clients and tasks that stages share are created there.
    ///
    /// # Errors
    ///
    /// Those of `build`, and of the start of the stages' runtime.
    pub fn new<Output, Limit, E: From<io::Error>>(
        build: impl FnOnce() -> Result<Pipeline<Output, Limit>, E>,
    ) -> Result<Self, E> {
        let executor = StageExecutor::new()?;
        let pipeline = {
            let _runtime = executor.enter();
            build()?
        };
        Ok(Self {
            steps: pipeline.steps,
            executor,
        })
    }

    /// The names of the stages, in order.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = &'static str> + '_ {
        self.steps.iter().map(|step| step.name)
    }

    /// Whether all stages have the same weight.
    pub fn has_equal_weights(&self) -> bool {
        let mut weights = self.steps.iter().map(|step| step.weight);
        let first = weights.next();
        weights.all(|weight| Some(weight) == first)
    }

    /// Runs the stages after `from`. Returns the results of the last one, or those of `from` if no stage
    /// is left.
    ///
    /// The thread that polls this future must not run other code that blocks or computes for long, because
    /// the host's methods are called here. It needs a tokio runtime with timers. Stages run on other
    /// threads.
    ///
    /// If the future is dropped, the running stage is cancelled, and aborted at its next `.await`.
    ///
    /// # Errors
    ///
    /// [`Unfinished`], if a stage fails or the host stops the run. A stage that is stopped has two seconds
    /// to return; after that it is aborted at its next `.await`, and [`Self::stuck_stages`] knows of it.
    pub async fn run<H: Host>(
        &self,
        job: JobInput,
        from: Checkpoint,
        host: &mut H,
    ) -> Result<RawJson, Unfinished<H::Stop>> {
        let Checkpoint {
            finished,
            results: mut last,
            attempt: mut first_attempt,
            stage: in_progress,
        } = from;
        let weight_of = |steps: &[Step]| steps.iter().map(|step| step.weight).sum();
        let (before, rest) = self.steps.split_at(finished.min(self.steps.len()));
        let (mut done, all) = (weight_of(before), weight_of(&self.steps));
        let steps = self.steps.iter();
        let weights: Vec<f64> = steps.clone().map(|step| step.weight.into()).collect();
        let histories: Vec<_> = steps.map(|step| host.history(step.name)).collect();
        let is_next = |it: &StageCheckpoint| rest.first().is_some_and(|step| step.name == it.stage);
        let mut in_progress = in_progress.filter(is_next);
        let (earlier, estimate) = in_progress
            .as_ref()
            .map_or_else(Default::default, |it| (it.job_elapsed, it.estimate.clone()));
        let mut clock = JobClock {
            stopwatch: Stopwatch::continued(earlier),
            estimate,
        };
        for (index, step) in rest.iter().enumerate() {
            let stage = step.name;
            let stopped = |stop| Unfinished::Stopped { stage, stop };
            let weight = StageWeight {
                done,
                stage: step.weight,
                all,
            };
            let mut attempt = std::mem::replace(&mut first_attempt, 1).max(1);
            let results = loop {
                let work = Attempt {
                    step,
                    weight,
                    resumed: in_progress.take(),
                };
                if work.resumed.is_none() {
                    let outlook = StageOutlook::of(&weights, &histories, before.len() + index);
                    let elapsed = clock.stopwatch.elapsed();
                    clock.estimate.start_stage(elapsed, outlook);
                }
                let input = (job.clone(), last.clone());
                let (failure, checkpoint) =
                    match self.attempt(work, input, &mut clock, host).await? {
                        Attempted::Finished(results) => break results,
                        Attempted::Failed(failure, checkpoint) => (failure, checkpoint),
                    };
                let delay = step.retry.delay_after(attempt, &failure, fastrand::f64());
                let Some(delay) = delay else {
                    return Err(Unfinished::Failed { stage, failure });
                };
                attempt += 1;
                let percent = checkpoint.as_ref().map_or(0, |it| it.percent);
                let retry = StageRetry {
                    stage,
                    attempt,
                    max_attempts: step.retry.max_attempts,
                    delay,
                    failure,
                };
                let update = ProgressUpdate {
                    stage,
                    percent,
                    overall_percent: weight.overall_percent(percent),
                    message: retry.to_string().into(),
                    remaining_seconds: None,
                    count: None,
                    indeterminate: false,
                };
                if let ControlFlow::Break(stop) = host.retry(retry, &update).await {
                    return Err(stopped(stop));
                }
                in_progress = checkpoint.map(|it| it.for_next_attempt());
            };
            let finished = FinishedStage {
                stage,
                overall_percent: weight.overall_percent(100),
                results: results.clone(),
                is_last: index + 1 == rest.len(),
                duration: clock.estimate.finish_stage(clock.stopwatch.elapsed()),
            };
            if let ControlFlow::Break(stop) = host.finish_stage(finished).await {
                return Err(stopped(stop));
            }
            done += step.weight;
            last = results;
        }
        Ok(last)
    }

    /// One attempt at a stage: from the beginning, or continued from a checkpoint.
    async fn attempt<H: Host>(
        &self,
        attempt: Attempt<'_>,
        (job, input): (JobInput, RawJson),
        clock: &mut JobClock,
        host: &mut H,
    ) -> Result<Attempted, Unfinished<H::Stop>> {
        let Attempt {
            step,
            weight,
            resumed,
        } = attempt;
        let stage = step.name;
        let stopped = |stop| Unfinished::Stopped { stage, stop };
        let given = resumed.clone();
        let (progress, feed, earlier) = if let Some(checkpoint) = resumed {
            let (progress, feed) = Progress::resuming_stored(checkpoint.state);
            progress.report(checkpoint.percent, checkpoint.message);
            (progress, feed, checkpoint.stage_elapsed)
        } else {
            let (progress, feed) = Progress::new();
            progress.report(0, format!("Starting {stage}..."));
            (progress, feed, Duration::ZERO)
        };
        progress.store_artifacts_in(host.artifact_store());
        let clocks = (clock.stopwatch, Stopwatch::continued(earlier));
        let intervals = host.intervals();
        let mut reporter =
            Reporter::new(stage, weight, intervals, feed, &mut clock.estimate, clocks);
        if let ControlFlow::Break(stop) = reporter.publish(host).await {
            return Err(stopped(stop));
        }
        let job = job.for_stage();
        let work = (step.run)(job.clone(), input, progress.clone());
        let running = self
            .executor
            .start(stage, host.span(stage), work)
            .map_err(|cause| Unfinished::Thread { stage, cause })?;
        let limit = step.time_limit;
        let outcome = match supervise(&self.executor, running, limit, &mut reporter, host).await {
            Supervised::Ended(outcome) => outcome,
            Supervised::TimedOut(limit) => Ok(Err(StageFailure::TimedOut { limit })),
            Supervised::Stopped(stop) => return Err(stopped(stop)),
        };
        match outcome
            .unwrap_or_else(|StagePanic { message }| Err(StageFailure::Panicked { message }))
        {
            Ok(results) => {
                progress.report(100, format!("Finished {stage}"));
                match reporter.publish(host).await {
                    ControlFlow::Continue(()) => Ok(Attempted::Finished(results)),
                    ControlFlow::Break(stop) => Err(stopped(stop)),
                }
            }
            Err(failure) => {
                // The stage may have returned another error because of this one.
                let failure = job.retryable_failure().map_or(failure, StageFailure::Input);
                if failure.is_temporary() || matches!(failure, StageFailure::Input(_)) {
                    // Another attempt or run continues here. If this run has to stop, `Host::retry` says so.
                    let _ = reporter.store_checkpoint(host).await;
                }
                let checkpoint = reporter.into_last_checkpoint().or(given);
                Ok(Attempted::Failed(failure, checkpoint.map(Box::new)))
            }
        }
    }

    /// Waits up to `limit` for the threads of stages that did not stop when they were asked to, in runs that
    /// have ended. Returns the names of the stages whose threads still run. Their results and reports are
    /// discarded, but they use processor time and memory until they return or the process ends.
    pub async fn stuck_stages(&self, limit: Duration) -> Vec<&'static str> {
        self.executor.stuck(limit).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::{error::StageError, host::interface::Intervals, retry::Retry, stage::Stage};

    struct Parse;
    struct Square;

    impl Stage for Parse {
        type Input = ();
        type Output = u32;
        const NAME: &'static str = "parse";

        async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<u32, StageError> {
            let bytes = job.bytes().await?;
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            text.parse()
                .map_err(|_| StageError::failed("no_number", "the input is not a number"))
        }
    }

    impl Stage for Square {
        type Input = u32;
        type Output = u32;
        const NAME: &'static str = "square";
        const WEIGHT: u32 = 3;

        async fn run(&self, _: JobInput, number: u32, _: &Progress) -> Result<u32, StageError> {
            Ok(number * number)
        }
    }

    /// Records the calls of an engine, and stops the run after a stage.
    #[derive(Default)]
    struct Recorder {
        calls: Vec<String>,
        stop_after: Option<&'static str>,
    }

    impl Host for Recorder {
        type Stop = &'static str;

        /// Without heartbeats, which a busy machine would cause.
        fn intervals(&self) -> Intervals {
            let hour = Duration::from_hours(1);
            Intervals {
                report: hour,
                poll: hour,
                heartbeat: hour,
                checkpoint: hour,
            }
        }

        async fn publish(&mut self, update: &ProgressUpdate) -> ControlFlow<&'static str> {
            let ProgressUpdate {
                stage,
                percent,
                overall_percent,
                ..
            } = update;
            self.calls
                .push(format!("{stage} {percent} {overall_percent}"));
            ControlFlow::Continue(())
        }

        async fn interrupted(&mut self) -> &'static str {
            pending().await
        }

        async fn retry(
            &mut self,
            retry: StageRetry,
            update: &ProgressUpdate,
        ) -> ControlFlow<&'static str> {
            let ProgressUpdate { percent, .. } = update;
            self.calls.push(format!("{retry} from {percent}"));
            ControlFlow::Continue(())
        }

        async fn finish_stage(&mut self, finished: FinishedStage) -> ControlFlow<&'static str> {
            let FinishedStage { stage, results, .. } = finished;
            let results = results.get();
            self.calls.push(format!(
                "{stage} = {results}, last: {}, {}",
                finished.is_last, finished.overall_percent
            ));
            if self.stop_after == Some(stage) {
                ControlFlow::Break("enough")
            } else {
                ControlFlow::Continue(())
            }
        }
    }

    /// Fails for a time at its second step.
    struct Flaky;

    impl Stage for Flaky {
        type Input = ();
        type Output = u32;
        const NAME: &'static str = "flaky";
        const CHECKPOINTS: bool = true;
        const RETRY: Retry = Retry {
            max_attempts: 3,
            first_delay: Duration::ZERO,
            longest_delay: Duration::ZERO,
        };

        async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<u32, StageError> {
            let steps = job.bytes().await?.len();
            let done: u32 = progress.resume()?.unwrap_or(0) + 1;
            progress.report(u8::try_from(10 * done).expect("few steps"), "a step");
            progress.checkpoint(&done).await?;
            if done as usize == steps {
                return Ok(done);
            }
            Err(StageError::temporary("busy", "try again"))
        }
    }

    #[tokio::test]
    async fn temporary_failure_is_attempted_again_from_the_last_checkpoint() {
        let engine = Engine::new(|| Ok::<_, io::Error>(Pipeline::new().then(Flaky)));
        let engine = engine.expect("threads");
        let mut host = Recorder::default();
        let results = engine.run(job("abc"), Checkpoint::start(), &mut host).await;
        assert_eq!(results.expect("the third attempt").get(), "3");
        let retries = host.calls.iter().filter(|call| call.starts_with("Attempt"));
        assert_eq!(
            retries.collect::<Vec<_>>(),
            [
                "Attempt 2 of 3 in 0 s, after: try again (busy) from 10",
                "Attempt 3 of 3 in 0 s, after: try again (busy) from 20"
            ]
        );
        let end = engine
            .run(job("abcd"), Checkpoint::start(), &mut host)
            .await;
        assert!(matches!(
            end,
            Err(Unfinished::Failed { stage: "flaky", .. })
        ));
        // A later run of the third attempt.
        let third = Checkpoint {
            attempt: 3,
            ..Checkpoint::start()
        };
        let end = engine.run(job("ab"), third, &mut Recorder::default()).await;
        assert!(matches!(end, Err(Unfinished::Failed { .. })));
    }

    /// Stores one checkpoint, and fails for a time in its first two attempts.
    struct Stubborn;

    impl Stage for Stubborn {
        type Input = ();
        type Output = u32;
        const NAME: &'static str = "stubborn";
        const CHECKPOINTS: bool = true;
        const RETRY: Retry = Flaky::RETRY;

        async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<u32, StageError> {
            static FAILURES: AtomicU32 = AtomicU32::new(0);
            let state = progress.resume()?;
            if state.is_none() {
                progress.checkpoint(&7).await?;
            }
            match (FAILURES.fetch_add(1, Ordering::SeqCst), state) {
                (2.., Some(state)) => Ok(state),
                _ => Err(StageError::temporary("busy", "try again")),
            }
        }
    }

    #[tokio::test]
    async fn attempt_without_a_checkpoint_keeps_the_earlier_one() {
        let engine = Engine::new(|| Ok::<_, io::Error>(Pipeline::new().then(Stubborn)));
        let mut host = Recorder::default();
        let engine = engine.expect("threads");
        let results = engine.run(job(""), Checkpoint::start(), &mut host).await;
        assert_eq!(results.expect("the third attempt").get(), "7");
    }

    fn engine() -> Engine {
        let build = || Ok::<_, io::Error>(Pipeline::new().then(Parse).then(Square));
        Engine::new(build).expect("threads")
    }

    fn job(text: &'static str) -> JobInput {
        JobInput::new("job-1", text, "text/plain")
    }

    #[tokio::test]
    async fn host_receives_progress_by_weight_and_the_results_of_each_stage() {
        let mut host = Recorder::default();
        let results = engine()
            .run(job("12"), Checkpoint::start(), &mut host)
            .await
            .expect("results");
        assert_eq!(results.get(), "144");
        assert_eq!(
            host.calls,
            [
                "parse 0 0",
                "parse 100 25",
                "parse = 12, last: false, 25",
                "square 0 25",
                "square 100 100",
                "square = 144, last: true, 100",
            ]
        );
    }

    #[tokio::test]
    async fn weights_are_equal_unless_a_stage_differs() {
        assert!(!engine().has_equal_weights());
        let equal = Engine::new(|| Ok::<_, io::Error>(Pipeline::new().then(Parse)));
        assert!(equal.expect("threads").has_equal_weights());
    }

    #[tokio::test]
    async fn run_resumes_after_the_stages_that_have_finished() {
        let checkpoint = |finished| Checkpoint {
            finished,
            results: RawJson::of(&7).expect("JSON"),
            attempt: 1,
            stage: None,
        };
        let mut host = Recorder::default();
        let results = engine().run(job(""), checkpoint(1), &mut host).await;
        assert_eq!(results.expect("results").get(), "49");
        assert_eq!(host.calls[0], "square 0 25");
        let mut host = Recorder::default();
        let results = engine().run(job(""), checkpoint(2), &mut host).await;
        assert_eq!(results.expect("results").get(), "7");
        assert!(host.calls.is_empty(), "{:?}", host.calls);
    }

    #[tokio::test]
    async fn host_that_stops_after_a_stage_ends_the_run_before_the_next() {
        let mut host = Recorder {
            stop_after: Some("parse"),
            ..Recorder::default()
        };
        let end = engine().run(job("2"), Checkpoint::start(), &mut host).await;
        let Err(Unfinished::Stopped { stage, stop }) = end else {
            panic!("{end:?}");
        };
        assert_eq!((stage, stop), ("parse", "enough"));
        assert!(!host.calls.iter().any(|call| call.starts_with("square")));
    }

    #[tokio::test]
    async fn checkpoint_of_another_type_fails_its_stage() {
        let checkpoint = Checkpoint {
            finished: 1,
            results: RawJson::of("seven").expect("JSON"),
            attempt: 1,
            stage: None,
        };
        let end = engine()
            .run(job(""), checkpoint, &mut Recorder::default())
            .await;
        let error = end.expect_err("no number").to_string();
        assert!(
            error.starts_with("square failed: its input, the checkpoint before it, cannot be read"),
            "{error}"
        );
    }
}
