//! The function that serves the HTTP API for clients: create a job, upload its input, read its status,
//! its durable messages and its results, cancel it, list the jobs of an owner.
//!
//! [`Handler`] selects the module of a route. Each route has a module with a function `handle`, which
//! takes the function's `Context` and the request.

mod access;
mod cancel_job;
mod context;
mod create_job;
mod get_artifact;
mod get_events;
mod get_job;
mod get_results;
mod handler;
mod idempotency;
mod input;
mod list_jobs;
mod poll_interval;
mod query;
mod requested;
mod runner;
mod serve;
mod start;
#[cfg(test)]
mod tests;
mod upload;

pub use context::InvalidSetting;
pub use handler::Handler;
pub use serve::serve;
