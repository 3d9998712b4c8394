//! Progress reports of stages, and the estimate of a job's remaining time.

mod estimate;
mod handle;

pub use estimate::Estimate;
pub use handle::{Cancelled, Progress, ProgressFeed, Report};
