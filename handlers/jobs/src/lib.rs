//! The function that serves the HTTP API: create a job, its status, its results, cancel.

mod create;
mod handler;
mod input;
mod routes;
mod serve;
#[cfg(test)]
mod tests;

pub use handler::Handler;
pub use serve::serve;
