#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod error;
mod estimate;
pub mod host;
mod job_input;
mod pipeline;
mod progress;
mod run;
mod stage;
mod update;
mod weight;

pub use error::{RunError, StageError, StageFailure};
pub use estimate::Estimate;
pub use job_input::JobInput;
pub use pipeline::{MAX_RESULTS_DEPTH, Pipeline};
pub use progress::{Cancelled, Progress, ProgressFeed, Report};
pub use run::Run;
pub use stage::Stage;
/// Cancels a run: [`Run::cancel_with`]. The type is that of the crate `tokio-util`.
pub use tokio_util::sync::CancellationToken;
pub use update::ProgressUpdate;
pub use weight::StageWeight;
