//! A stage: a step of the work with a typed input and output.

use std::{future::Future, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{error::StageError, input::JobInput, progress::Progress, retry::Retry};

/// A step of a job's work.
///
/// The output is the input of the next stage, and the checkpoint from which a later run resumes. It has
/// to survive a round trip through JSON, also in a plain process: a type that does not is found there.
///
/// A stage can be tested without a pipeline:
///
/// ```
/// use stage_pipeline::{JobInput, Progress, Stage, StageError};
///
/// struct CountLines;
///
/// impl Stage for CountLines {
///     type Input = ();
///     type Output = usize;
///     const NAME: &'static str = "count_lines";
///
///     async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<usize, StageError> {
///         progress.report(50, "Counting lines...");
///         progress.check_cancelled()?;
///         Ok(job.bytes().await?.split(|byte| *byte == b'\n').count())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (progress, feed) = Progress::new();
/// let job = JobInput::new("job-1", "a\nb", "text/plain");
/// assert_eq!(CountLines.run(job, (), &progress).await.unwrap(), 2);
/// assert_eq!(feed.take().percent, 50);
/// # }
/// ```
pub trait Stage: Send + Sync + 'static {
    /// The output of the previous stage; `()` for the first stage.
    type Input: DeserializeOwned + Send;
    /// The results of the stage.
    type Output: Serialize + DeserializeOwned + Send;

    /// The stage's name in progress, errors and checkpoints: 1 to 64 letters, digits, `_` and `-`.
    /// Different from the names of the pipeline's other stages.
    const NAME: &'static str;

    /// The stage's share of the whole job, relative to the others'. More than 0.
    const WEIGHT: u32 = 1;

    /// Whether the stage stores checkpoints, with [`Progress::checkpoint`], and continues from them, with
    /// [`Progress::resume`]. Such a stage may take longer than a run: a process whose time is limited hands
    /// it on to another.
    const CHECKPOINTS: bool = false;

    /// The longest time of an attempt at the stage, without the time between runs. After it, the stage is
    /// stopped, and fails with [`StageFailure::TimedOut`](crate::StageFailure::TimedOut). None if only the
    /// process that runs the stage sets a limit.
    ///
    /// A limit that is longer than a run of the pipeline ([`RunLimit`](crate::RunLimit)) does not compile,
    /// unless the stage stores checkpoints.
    const TIME_LIMIT: Option<Duration> = None;

    /// How often the stage is attempted again after a temporary failure. An attempt continues from the last
    /// checkpoint, if there is one. One attempt unless it is declared.
    const RETRY: Retry = Retry::NEVER;

    /// Does the work. The stage has a separate thread, so it may compute or block for any time:
    /// meanwhile, reports leave the process and cancellations are noticed. Tokio's tasks, timers and
    /// connections work as usual, on a runtime that only stages use.
    fn run(
        &self,
        job: JobInput,
        input: Self::Input,
        progress: &Progress,
    ) -> impl Future<Output = Result<Self::Output, StageError>> + Send;
}
