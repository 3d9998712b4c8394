//! Running the stages of a job.
//!
//! A [`Stage`] is a step of the work with a typed input and output; a [`Pipeline`] chains stages so
//! that each one's output is the next one's input. The [`Runner`] claims a job, runs the stages that
//! its checkpoints do not hold yet, and publishes what happens. It works on any host; Lambda is one.
//!
//! Stages have threads and a tokio runtime of their own (`executor`). The runner is polled by its
//! caller, on a runtime where nothing else may block: see [`Runner::run`].

mod executor;
mod failures;
mod reporter;
mod runner;
mod stage;
mod supervise;

pub use runner::{RunError, RunOutcome, Runner, Runs};
pub use stage::{JobInput, Pipeline, Stage, StageError};
