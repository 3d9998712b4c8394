#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod artifact;
mod cancelled;
mod checkpoint;
mod error;
mod estimate;
pub mod host;
mod input;
mod limits;
mod pipeline;
mod progress;
mod retry;
mod run;
mod stage;
mod update;
mod weight;

pub use artifact::{
    Artifact, ArtifactContent, ArtifactError, ArtifactName, InvalidArtifactName,
    MAX_ARTIFACT_BYTES, MAX_ARTIFACT_TYPE_BYTES, MAX_ARTIFACTS,
};
pub use cancelled::Cancelled;
pub use checkpoint::{MAX_CHECKPOINT_BYTES, StageCheckpoint};
pub use error::{RunError, StageError, StageFailure};
pub use estimate::{Estimate, StageDuration, StageHistory, StageOutlook};
pub use input::{InputError, InputFile, InputReader, JobInput, MAX_BYTES_AT_ONCE, READ_ATTEMPTS};
pub use limits::MAX_RESULTS_DEPTH;
pub use pipeline::{Pipeline, RunLimit, Unlimited};
pub use progress::{Progress, ProgressFeed, Report, WorkCount};
pub use retry::{Retry, StageRetry};
pub use run::Run;
pub use stage::Stage;
/// Cancels a run: [`Run::cancel_with`]. The type is that of the crate `tokio-util`.
pub use tokio_util::sync::CancellationToken;
pub use update::ProgressUpdate;
pub use weight::StageWeight;
