//! For services that run pipelines: with their own checkpoints, leases, messages and deadlines.
//!
//! The author of a pipeline needs none of this: see [`Pipeline::run`](crate::Pipeline::run).
//!
//! A service implements [`Host`] and passes it to [`Engine::run`]. The engine runs the stages one after the
//! other, on threads and a tokio runtime that only stages use. It polls its host on the caller's thread,
//! so the host renews leases and sends messages also while a stage computes.
//!
//! ```
//! use std::{convert::Infallible, future::pending, io, ops::ControlFlow};
//!
//! use stage_pipeline::{
//!     JobInput, Pipeline, Progress, ProgressUpdate, Stage, StageError, StageRetry,
//!     host::{Checkpoint, Engine, FinishedStage, Host},
//! };
//!
//! /// Keeps the results of the last stage, from which a later run resumes.
//! #[derive(Default)]
//! struct Records(Option<Checkpoint>);
//!
//! impl Host for Records {
//!     type Stop = Infallible; // this host never stops a run
//!
//!     async fn publish(&mut self, update: &ProgressUpdate) -> ControlFlow<Infallible> {
//!         println!("{}%: {}", update.overall_percent, update.message);
//!         ControlFlow::Continue(())
//!     }
//!
//!     async fn interrupted(&mut self) -> Infallible {
//!         pending().await
//!     }
//!
//!     async fn retry(&mut self, retry: StageRetry, _: &ProgressUpdate) -> ControlFlow<Infallible> {
//!         tokio::time::sleep(retry.delay).await;
//!         ControlFlow::Continue(())
//!     }
//!
//!     async fn finish_stage(&mut self, stage: FinishedStage) -> ControlFlow<Infallible> {
//!         let finished = self.0.as_ref().map_or(0, |checkpoint| checkpoint.finished) + 1;
//!         self.0 = Some(Checkpoint { finished, results: stage.results, attempt: 1, stage: None });
//!         ControlFlow::Continue(())
//!     }
//! }
//!
//! # struct CountLines;
//! # impl Stage for CountLines {
//! #     type Input = ();
//! #     type Output = usize;
//! #     const NAME: &'static str = "count_lines";
//! #     async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<usize, StageError> {
//! #         Ok(job.bytes().await?.split(|byte| *byte == b'\n').count())
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(|| Ok::<_, io::Error>(Pipeline::new().then(CountLines)))?;
//! let job = JobInput::new("job-1", "a\nb", "text/plain");
//! let mut host = Records::default();
//! let results = engine.run(job, Checkpoint::start(), &mut host).await?;
//! assert_eq!(results.read::<usize>()?, 2);
//! # Ok(())
//! # }
//! ```

mod engine;
mod executor;
mod interface;
mod reporter;
mod supervise;

pub use engine::{Checkpoint, Engine, Unfinished};
pub use interface::{FinishedStage, Host, Intervals};

pub use crate::artifact::{ArtifactReader, ArtifactStore, StoreArtifact};
pub use crate::input::{InputBody, InputPart, InputSource, OpenInput};
