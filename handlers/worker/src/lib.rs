//! The function that serves workers of their own: programs in any language that run a job from
//! outside, with its worker key. They claim it, fetch its input, and tell what happens to it.

mod claim;
mod events;
mod handler;
mod idempotency;
mod input;
mod progress_tracker;
mod publishers;
#[cfg(test)]
mod tests;

pub use handler::Handler;
