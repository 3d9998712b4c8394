//! Running the stages of a job.
//!
//! A [`Stage`] is a step of the work with a typed input and output. A [`Pipeline`] chains stages: the output
//! of each is the input of the next. The [`Runner`] claims a job, runs the stages that have no checkpoint
//! yet, and publishes progress and results. It does not depend on Lambda.
//!
//! Stages run on separate threads and a separate tokio runtime (`executor`). The caller polls the runner on
//! a runtime on which nothing else may block: see [`Runner::run`].

mod executor;
mod failures;
mod reporter;
mod runner;
mod stage;
mod supervise;

pub use runner::{RunError, RunOutcome, Runner, Runs};
pub use stage::{JobInput, Pipeline, Stage, StageError};
