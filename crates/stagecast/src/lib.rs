//! What the functions of a product are made of: one module for each function of the job system, and the
//! types that stages are written with.
//!
//! An executable of each function calls the module's `serve`:
//!
//! ```no_run
//! fn main() -> Result<(), stagecast::Error> {
//!     stagecast::websocket::serve()
//! }
//! ```

pub use granted_aws;
pub use lambda_runtime::Error;
pub use stage_pipeline::{
    Cancelled, JobInput, Pipeline, Progress, RunError, Stage, StageError, StageFailure,
};
pub use stagecast_contract as contract;

/// Serves every route of the WebSocket API.
pub mod websocket {
    pub use stagecast_websocket::serve;
}

/// Serves the HTTP API for clients: creates jobs, returns their status and results, cancels them.
pub mod jobs {
    pub use stagecast_jobs::serve;
}

/// Serves external workers.
pub mod worker {
    pub use stagecast_worker::serve;
}

/// Runs jobs through the product's stages.
pub mod pipeline {
    pub use stagecast_pipeline::{RunsJobs, serve};
}

/// Sends messages to large audiences, and those that could not be sent.
pub mod delivery {
    pub use stagecast_delivery::serve;
}
