//! The function that runs jobs: it receives job messages and runs their jobs through the product's stages.

mod handler;
mod job_message;
mod serve;

pub use handler::{Handler, RunsJobs, StuckStages};
pub use serve::serve;
