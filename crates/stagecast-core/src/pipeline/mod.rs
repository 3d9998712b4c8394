//! Running the stages of a job under a lease.
//!
//! The stages are those of a [`Pipeline`](stage_pipeline::Pipeline). The [`Runner`] claims a job, runs the
//! stages that have no checkpoint yet, and publishes progress and results. It does not depend on Lambda.
//!
//! An [`Engine`](stage_pipeline::host::Engine) runs the stages on other threads, for a host (`lease_host`)
//! that publishes what they report. The caller polls the runner on a runtime on which nothing else may
//! block: see [`Runner::run`].

mod artifacts;
mod failures;
mod input;
mod lease_host;
mod runner;

pub use runner::{RunError, RunOutcome, Runner, Runs};
