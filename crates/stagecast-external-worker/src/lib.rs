#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod artifacts;
mod claim;
mod host;
mod input;
mod lease;
mod listener;
mod options;
mod runner;
mod schedule;
mod shutdown;
mod worker;

pub use claim::{Claimed, ClaimedCheckpoint, Finished};
pub use lease::{Interruption, Lease};
pub use options::{Options, WorkerError, main};
pub use runner::{LeasedJob, Outcome, PipelineRunner, RunJobs};
pub use shutdown::Shutdown;
pub use stagecast_contract::{
    ids::WorkerToken,
    worker::{
        WorkerCancellation, WorkerEvent, WorkerFailure, WorkerJobComplete, WorkerProgress,
        WorkerStageComplete,
    },
};
pub use worker::Worker;
