//! Runs the stages of a pipeline one after the other.

use std::{convert::Infallible, io, ops::ControlFlow, time::Duration};

use raw_json::RawJson;
use tokio::time::Instant;

use super::{
    executor::{StageExecutor, StagePanic},
    interface::{FinishedStage, Host},
    reporter::Reporter,
    supervise::{Supervised, supervise},
};
use crate::{
    error::StageFailure,
    estimate::Estimate,
    job_input::JobInput,
    pipeline::{Pipeline, Step},
    progress::Progress,
    weight::StageWeight,
};

/// A pipeline and the threads that its stages run on. It runs any number of jobs, also at the same time.
#[derive(Debug)]
pub struct Engine {
    steps: Vec<Step>,
    executor: StageExecutor,
}

/// Where a run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of stages that have finished: the run starts with the stage after them.
    pub finished: usize,
    /// The results of the last one of these; `null` if there is none.
    pub results: RawJson,
}

impl Checkpoint {
    /// Before the first stage.
    pub fn start() -> Self {
        Self {
            finished: 0,
            results: RawJson::null(),
        }
    }
}

/// Why a run has ended before its last stage has. `S` is the host's [`Stop`](Host::Stop).
#[derive(Debug, thiserror::Error)]
pub enum Unfinished<S = Infallible> {
    /// A stage failed. The job cannot be completed.
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

impl Engine {
    /// An engine for the pipeline that `build` returns. `build` is called on the stages' runtime, so that
    /// clients and tasks that stages share are created there.
    ///
    /// # Errors
    ///
    /// Those of `build`, and of the start of the stages' runtime.
    pub fn new<Output, E: From<io::Error>>(
        build: impl FnOnce() -> Result<Pipeline<Output>, E>,
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
        } = from;
        let weight_of = |steps: &[Step]| steps.iter().map(|step| step.weight).sum();
        let (before, rest) = self.steps.split_at(finished.min(self.steps.len()));
        let (mut done, all) = (weight_of(before), weight_of(&self.steps));
        let mut estimate = Estimate::default();
        let start = Instant::now();
        for (index, step) in rest.iter().enumerate() {
            let stage = step.name;
            let stopped = |stop| Unfinished::Stopped { stage, stop };
            let weight = StageWeight {
                done,
                stage: step.weight,
                all,
            };
            let (progress, feed) = Progress::new();
            progress.report(0, format!("Starting {stage}..."));
            let intervals = host.intervals();
            let mut reporter = Reporter::new(stage, weight, intervals, feed, &mut estimate, start);
            if let ControlFlow::Break(stop) = reporter.publish(host).await {
                return Err(stopped(stop));
            }
            let work = (step.run)(job.clone(), last, progress.clone());
            let running = self
                .executor
                .start(stage, host.span(stage), work)
                .map_err(|cause| Unfinished::Thread { stage, cause })?;
            let outcome = match supervise(&self.executor, running, &mut reporter, host).await {
                Supervised::Ended(outcome) => outcome,
                Supervised::Stopped(stop) => return Err(stopped(stop)),
            };
            let results = outcome
                .unwrap_or_else(|StagePanic { message }| Err(StageFailure::Panicked { message }))
                .map_err(|failure| Unfinished::Failed { stage, failure })?;
            progress.report(100, format!("Finished {stage}"));
            if let ControlFlow::Break(stop) = reporter.publish(host).await {
                return Err(stopped(stop));
            }
            let finished = FinishedStage {
                stage,
                overall_percent: weight.overall_percent(100),
                results: results.clone(),
                is_last: index + 1 == rest.len(),
            };
            if let ControlFlow::Break(stop) = host.finish_stage(finished).await {
                return Err(stopped(stop));
            }
            done += step.weight;
            last = results;
        }
        Ok(last)
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
    use std::future::pending;

    use super::*;
    use crate::{
        error::StageError, host::interface::Intervals, stage::Stage, update::ProgressUpdate,
    };

    struct Parse;
    struct Square;

    impl Stage for Parse {
        type Input = ();
        type Output = u32;
        const NAME: &'static str = "parse";

        async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<u32, StageError> {
            let text = std::str::from_utf8(&job.bytes).unwrap_or_default();
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
    async fn run_resumes_after_the_stages_that_have_finished() {
        let checkpoint = |finished| Checkpoint {
            finished,
            results: RawJson::of(&7).expect("JSON"),
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
