//! The function that serves external workers: programs in any language that run a job outside of the
//! pipeline, with its worker key. A worker claims a job, fetches its input, and posts events.
//!
//! [`Handler`] selects the module of a route. Each route has a module with a function `handle`, which
//! takes the function's `Context` and the request.

mod access;
mod artifacts;
mod checkpoints;
mod claim;
mod claim_from_queue;
mod claim_order;
mod context;
mod errors;
mod get_input;
mod handler;
mod idempotency;
mod listening;
mod post_events;
mod progress_tracker;
mod publishers;
mod release;
mod retries;
mod sequence;
mod serve;
mod slots;
#[cfg(test)]
mod tests;
mod time_limit;
mod upload_artifact;

pub use context::InvalidSetting;
pub use handler::Handler;
pub use serve::serve;
