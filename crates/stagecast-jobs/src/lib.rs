//! The function that serves the HTTP API for clients: create a job, read its status and its results,
//! cancel it.
//!
//! [`Handler`] selects the module of a route. Each route has a module with a function `handle`, which
//! takes the function's `Context` and the request.

mod access;
mod cancel_job;
mod context;
mod create_job;
mod get_job;
mod get_results;
mod handler;
mod idempotency;
mod input;
mod serve;
#[cfg(test)]
mod tests;

pub use handler::Handler;
pub use serve::serve;
