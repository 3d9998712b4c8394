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
//!
//! A product's own function calls [`http::serve`] or [`queue::serve`].
//!
//! # The crates
//!
//! | crate | contains |
//! | --- | --- |
//! | [`stagecast_contract`](../stagecast_contract/index.html) | the declarations of the job system; [`Product`](stagecast_contract::product::Product), what a product declares |
//! | [`stagecast_infra`](../stagecast_infra/index.html) | a product's stack, environments and command line |
//! | [`stagecast_local`](../stagecast_local/index.html), [`stagecast_dev`](../stagecast_dev/index.html) | a product on one machine, `cargo dev` |
//! | [`stagecast_testing`](../stagecast_testing/index.html) | AWS services in the process of a unit test |
//! | [`stagecast_core`](../stagecast_core/index.html) | stores, delivery and the runner of jobs |
//! | [`stagecast_websocket`](../stagecast_websocket/index.html), [`stagecast_jobs`](../stagecast_jobs/index.html), [`stagecast_worker`](../stagecast_worker/index.html), [`stagecast_pipeline`](../stagecast_pipeline/index.html), [`stagecast_delivery`](../stagecast_delivery/index.html), [`stagecast_webhooks`](../stagecast_webhooks/index.html) | the functions of the job system |
//!
//! These libraries know nothing of jobs:
//!
//! | crate | contains |
//! | --- | --- |
//! | [`typed_contract`](../typed_contract/index.html) | macros and types for declarations |
//! | [`granted_aws`](../granted_aws/index.html) | AWS clients bounded by grants; logs |
//! | [`stage_pipeline`](../stage_pipeline/index.html) | stages, pipelines and their progress |
//! | [`raw_json`](../raw_json/index.html) | JSON that is passed on byte for byte |
//! | [`cloudformation`](../cloudformation/index.html) | templates and resources as typed values |
//! | [`constructs`](../constructs/index.html) | tables, queues, functions, APIs, alarms as CloudFormation |
//! | [`cloudformation_diff`](../cloudformation_diff/index.html) | the comparison of templates |
//! | [`cloudformation_deploy`](../cloudformation_deploy/index.html) | change sets, events, packages |
//! | [`local_aws`](../local_aws/index.html) | a template on one machine |

pub mod http;
pub mod queue;

pub use granted_aws;
pub use lambda_runtime::Error;
pub use stage_pipeline::{
    Artifact, ArtifactContent, ArtifactName, Cancelled, InputError, InputFile, InputReader,
    JobInput, Progress, Retry, RunError, Stage, StageError, StageFailure,
};
pub use stagecast_contract as contract;
pub use stagecast_pipeline::Pipeline;
pub use typed_contract;

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

/// Posts webhooks.
pub mod webhooks {
    pub use stagecast_webhooks::serve;
}

/// The tokio runtime of a function's process: Lambda gives it one event at a time, so one thread is enough.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
