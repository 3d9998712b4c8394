//! What a stage reports with, and how long the job will still take.

mod estimate;
mod handle;

pub use estimate::Estimate;
pub use handle::{Cancelled, Progress, ProgressFeed, Report};
