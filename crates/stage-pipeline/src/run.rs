//! Runs a job in this process.

use std::{
    collections::BTreeSet, fmt, future::Future, io, ops::ControlFlow, path::PathBuf, pin::Pin,
    sync::Arc,
};

use serde::de::DeserializeOwned;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::{
    artifact::{
        Artifact, ArtifactError, ArtifactName, ArtifactStore, Discarded, Folder, MAX_ARTIFACTS,
    },
    error::{RunError, StageFailure},
    host::{Checkpoint, Engine, FinishedStage, Host, Unfinished},
    input::JobInput,
    pipeline::Pipeline,
    retry::StageRetry,
    update::ProgressUpdate,
};

type OnProgress = Box<dyn FnMut(&ProgressUpdate) + Send>;

/// A run of a job: awaited in a tokio runtime with timers, or blocking with [`Run::wait`]. It does
/// nothing before.
///
/// Dropping the future of a run that has started cancels the running stage, and aborts it at its next
/// `.await`.
#[must_use = "a run starts when it is awaited, or with `wait`"]
pub struct Run<Output> {
    pipeline: Pipeline<Output>,
    job: JobInput,
    host: ProcessHost,
}

impl<Output, Limit> Pipeline<Output, Limit> {
    /// Runs a job through all stages, in this process. Its errors are those of [`RunError`].
    ///
    /// ```
    /// # use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
    /// # struct CountLines;
    /// # impl Stage for CountLines {
    /// #     type Input = ();
    /// #     type Output = usize;
    /// #     const NAME: &'static str = "count_lines";
    /// #     async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<usize, StageError> {
    /// #         Ok(job.bytes().await?.split(|byte| *byte == b'\n').count())
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stage_pipeline::RunError> {
    /// let pipeline = Pipeline::new().then(CountLines);
    /// let job = JobInput::new("job-1", "a\nb", "text/plain");
    /// let lines: usize = pipeline
    ///     .run(job)
    ///     .on_progress(|update| eprintln!("{}%: {}", update.overall_percent, update.message))
    ///     .await?;
    /// assert_eq!(lines, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(&self, job: JobInput) -> Run<Output> {
        Run {
            pipeline: self.without_limit(),
            job,
            host: ProcessHost {
                on_progress: Box::new(|_| {}),
                token: CancellationToken::new(),
                artifact_store: Arc::new(Discarded),
                artifacts: BTreeSet::new(),
            },
        }
    }
}

impl<Output> Run<Output> {
    /// Calls `callback` at the start and at the end of each stage, and between them at most every 250
    /// milliseconds after reports and about every second without. It replaces an earlier callback.
    ///
    /// The callback runs on the thread that awaits the run, so stages do not wait for it; the next
    /// update, and a cancellation, do.
    pub fn on_progress(mut self, callback: impl FnMut(&ProgressUpdate) + Send + 'static) -> Self {
        self.host.on_progress = Box::new(callback);
        self
    }

    /// Writes the artifacts of the job to files in `folder`, which is created with the first one. Without
    /// this, they are discarded.
    pub fn keep_artifacts_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.host.artifact_store = Arc::new(Folder(folder.into()));
        self
    }

    /// Cancels the run when `token` is cancelled, at once: [`Progress::is_cancelled`] is true from then
    /// on. The stage has two seconds to return; after that, it is aborted at its next `.await`. The run
    /// ends with [`RunError::Cancelled`] in any case.
    ///
    /// The thread of a stage that still computes or blocks is left behind: it ends when the stage
    /// returns.
    ///
    /// [`Progress::is_cancelled`]: crate::Progress::is_cancelled
    pub fn cancel_with(mut self, token: CancellationToken) -> Self {
        self.host.token = token;
        self
    }
}

impl<Output: DeserializeOwned + Send + 'static> Run<Output> {
    /// Runs the job and blocks this thread until it has ended.
    ///
    /// # Errors
    ///
    /// If a stage fails, the run is cancelled, or the system has no thread left.
    ///
    /// # Panics
    ///
    /// If it is called from asynchronous code: `.await` the run there.
    ///
    /// ```
    /// # use stage_pipeline::{CancellationToken, JobInput, Pipeline, Progress, RunError, Stage, StageError};
    /// # struct Forever;
    /// # impl Stage for Forever {
    /// #     type Input = ();
    /// #     type Output = ();
    /// #     const NAME: &'static str = "forever";
    /// #     async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
    /// #         loop {
    /// #             progress.check_cancelled()?;
    /// #             std::thread::sleep(std::time::Duration::from_millis(1));
    /// #         }
    /// #     }
    /// # }
    /// let token = CancellationToken::new();
    /// let run = Pipeline::new()
    ///     .then(Forever)
    ///     .run(JobInput::new("job-1", "", "text/plain"))
    ///     .cancel_with(token.clone());
    /// std::thread::spawn(move || token.cancel());
    /// assert!(matches!(run.wait(), Err(RunError::Cancelled { stage: "forever" })));
    /// ```
    pub fn wait(self) -> Result<Output, RunError> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(self.into_future())
    }
}

impl<Output: DeserializeOwned + Send + 'static> IntoFuture for Run<Output> {
    type Output = Result<Output, RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                pipeline,
                job,
                mut host,
            } = self;
            let engine = Engine::new(|| Ok::<_, io::Error>(pipeline))?;
            if host.token.is_cancelled()
                && let Some(stage) = engine.stages().next()
            {
                return Err(RunError::Cancelled { stage });
            }
            let results = engine.run(job, Checkpoint::start(), &mut host).await;
            let results = results.map_err(|end| host.error_of(end))?;
            results.read().map_err(RunError::UnreadableOutput)
        })
    }
}

impl<Output> fmt::Debug for Run<Output> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Run")
            .field("pipeline", &self.pipeline)
            .field("job_id", &self.job.job_id)
            .finish_non_exhaustive()
    }
}

/// The host of a run in this process. Only artifacts are stored.
struct ProcessHost {
    on_progress: OnProgress,
    token: CancellationToken,
    artifact_store: Arc<dyn ArtifactStore>,
    /// The names of the artifacts.
    artifacts: BTreeSet<ArtifactName>,
}

/// The token of the run was cancelled.
struct TokenCancelled;

impl ProcessHost {
    fn check(&self) -> ControlFlow<TokenCancelled> {
        if self.token.is_cancelled() {
            ControlFlow::Break(TokenCancelled)
        } else {
            ControlFlow::Continue(())
        }
    }

    fn error_of(&self, end: Unfinished<TokenCancelled>) -> RunError {
        match end {
            Unfinished::Stopped {
                stage,
                stop: TokenCancelled,
            } => RunError::Cancelled { stage },
            // The stage has a clone of the token, and has returned before the run knew of it.
            Unfinished::Failed {
                stage,
                failure: StageFailure::NotCancelled,
            } if self.token.is_cancelled() => RunError::Cancelled { stage },
            Unfinished::Failed { stage, failure } => RunError::Failed { stage, failure },
            Unfinished::Thread { stage, cause } => RunError::Thread { stage, cause },
        }
    }
}

impl Host for ProcessHost {
    type Stop = TokenCancelled;

    async fn publish(&mut self, update: &ProgressUpdate) -> ControlFlow<TokenCancelled> {
        (self.on_progress)(update);
        ControlFlow::Continue(())
    }

    fn artifact_store(&self) -> Arc<dyn ArtifactStore> {
        Arc::clone(&self.artifact_store)
    }

    async fn attach(
        &mut self,
        _: &'static str,
        artifact: Artifact,
    ) -> ControlFlow<TokenCancelled, Result<(), ArtifactError>> {
        let Artifact { name, .. } = artifact;
        if !self.artifacts.contains(&name) && self.artifacts.len() == MAX_ARTIFACTS {
            return ControlFlow::Continue(Err(ArtifactError::TooMany { name }));
        }
        self.artifacts.insert(name);
        ControlFlow::Continue(Ok(()))
    }

    async fn interrupted(&mut self) -> TokenCancelled {
        self.token.cancelled().await;
        TokenCancelled
    }

    async fn retry(
        &mut self,
        retry: StageRetry,
        update: &ProgressUpdate,
    ) -> ControlFlow<TokenCancelled> {
        (self.on_progress)(update);
        tokio::select! {
            () = self.token.cancelled() => ControlFlow::Break(TokenCancelled),
            () = tokio::time::sleep(retry.delay) => ControlFlow::Continue(()),
        }
    }

    async fn finish_stage(&mut self, finished: FinishedStage) -> ControlFlow<TokenCancelled> {
        if finished.is_last {
            // The work is done.
            return ControlFlow::Continue(());
        }
        self.check()
    }
}
