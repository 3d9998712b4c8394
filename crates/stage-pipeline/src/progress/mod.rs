//! The two ends of a stage's progress: the stage reports in nanoseconds, and the run reads the reports
//! and publishes them.

mod attachment_states;
mod attachments;
mod checkpoint_states;
mod checkpoints;
mod handle;
mod parts;

pub(crate) use attachment_states::Attachment;
pub use handle::{Progress, ProgressFeed, Report, WorkCount};
