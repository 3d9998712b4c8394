//! The function that runs jobs: it receives job messages and runs their jobs through the product's stages.

mod handler;
mod job_message;
mod limit;
mod serve;

pub use handler::{Handler, RunsJobs, StuckStages};
pub use limit::{InFunction, Pipeline};
pub use serve::serve;
