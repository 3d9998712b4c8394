//! What an engine needs from the service that runs it.

use std::{
    future::{Future, ready},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use raw_json::RawJson;
use tokio::time::Instant;
use tracing::Span;

use crate::{
    artifact::{Artifact, ArtifactError, ArtifactStore, Discarded},
    checkpoint::StageCheckpoint,
    estimate::{StageDuration, StageHistory},
    retry::StageRetry,
    update::ProgressUpdate,
};

/// How often an engine calls its [`Host`] while a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Shortest time between two calls of [`Host::publish`] for reports of a stage. The start and the
    /// end of a stage are published at once.
    pub report: Duration,
    /// Longest time between two calls of [`Host::poll`] or [`Host::publish`].
    pub poll: Duration,
    /// Longest time between two calls of [`Host::publish`]: the latest report is published again, with
    /// a new estimate of the remaining time.
    pub heartbeat: Duration,
    /// Shortest time between two calls of [`Host::checkpoint`] for one stage.
    pub checkpoint: Duration,
}

impl Default for Intervals {
    /// Reports at most every 250 milliseconds and at least every second.
    fn default() -> Self {
        Self {
            report: Duration::from_millis(250),
            poll: Duration::from_millis(500),
            heartbeat: Duration::from_secs(1),
            checkpoint: Duration::from_secs(1),
        }
    }
}

/// A stage that has ended with results.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedStage {
    /// The stage's name.
    pub stage: &'static str,
    /// The percentage of all stages that have finished, by their weights.
    pub overall_percent: u8,
    /// The stage's output: the checkpoint, and the input of the next stage.
    pub results: RawJson,
    /// Whether it was the last stage.
    pub is_last: bool,
    /// How long it took, for its history. None if another run has started it.
    pub duration: Option<StageDuration>,
}

/// The service that runs a pipeline: it receives progress and results, and may stop the run.
///
/// The engine calls one method at a time, on the thread that polls [`Engine::run`](super::Engine::run).
/// Nothing else on this thread may block for long, the host included: it would delay the next call.
pub trait Host {
    /// Why this host stops a run. [`Infallible`](std::convert::Infallible) if it never does.
    type Stop;

    /// How often the methods below are called.
    fn intervals(&self) -> Intervals {
        Intervals::default()
    }

    /// The durations of a stage in earlier jobs of this pipeline, from which the remaining time is estimated
    /// before there is progress. None by default.
    fn history(&self, _stage: &'static str) -> StageHistory {
        StageHistory::default()
    }

    /// The span of a stage's log records.
    fn span(&self, stage: &'static str) -> Span {
        tracing::info_span!("stage", stage)
    }

    /// Publishes progress: at the start and at the end of each stage, after new reports, and as a
    /// heartbeat. `Break` stops the run.
    fn publish(&mut self, update: &ProgressUpdate)
    -> impl Future<Output = ControlFlow<Self::Stop>>;

    /// Checks whether the run has to stop, at times without progress. `Break` stops it.
    fn poll(&mut self) -> impl Future<Output = ControlFlow<Self::Stop>> {
        ready(ControlFlow::Continue(()))
    }

    /// Waits for something that stops the run at once, such as a deadline; forever if there is nothing.
    /// It is dropped and called again while a stage runs.
    fn interrupted(&mut self) -> impl Future<Output = Self::Stop>;

    /// When the run should end at the next checkpoint of its stage, because the time of its process is
    /// nearly up; None if there is no such time. After it, the stage's next checkpoint is passed to
    /// [`Self::checkpoint`] at once, and the stage waits there for the answer. Called at the start of each
    /// stage.
    fn hand_on_at(&self) -> Option<Instant> {
        None
    }

    /// Stores a checkpoint of the running stage, from which a later run continues, and publishes `update`,
    /// which is the progress at this time. Called after [`Progress::checkpoint`](crate::Progress::checkpoint)
    /// at the interval [`Intervals::checkpoint`], and a last time for a stage that was stopped by
    /// [`Self::interrupted`]. `Break` stops the run, and hands the stage on.
    fn checkpoint(
        &mut self,
        checkpoint: StageCheckpoint,
        update: &ProgressUpdate,
    ) -> impl Future<Output = ControlFlow<Self::Stop>> {
        drop(checkpoint);
        self.publish(update)
    }

    /// Where the contents of the artifacts that stages attach are stored. By default, they are discarded.
    fn artifact_store(&self) -> Arc<dyn ArtifactStore> {
        Arc::new(Discarded)
    }

    /// Records an artifact of the running stage, whose content is stored. It replaces one of the same name.
    /// The stage waits for the answer, and receives its error. `Break` stops the run.
    fn attach(
        &mut self,
        _stage: &'static str,
        artifact: Artifact,
    ) -> impl Future<Output = ControlFlow<Self::Stop, Result<(), ArtifactError>>> {
        drop(artifact);
        ready(ControlFlow::Continue(Ok(())))
    }

    /// A stage failed, and is attempted again. Waits for [`StageRetry::delay`] and returns `Continue`, or
    /// returns `Break`, which stops the run: a later run makes the attempt. `update` is the progress at
    /// which the attempt starts.
    fn retry(
        &mut self,
        retry: StageRetry,
        update: &ProgressUpdate,
    ) -> impl Future<Output = ControlFlow<Self::Stop>>;

    /// Stores the results of a stage. `Break` stops the run before the next stage, also after the last
    /// one.
    fn finish_stage(
        &mut self,
        stage: FinishedStage,
    ) -> impl Future<Output = ControlFlow<Self::Stop>>;
}
