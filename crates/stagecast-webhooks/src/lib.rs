//! The function that posts webhooks.
//!
//! A message of its queue names a committed durable message of a job. [`Handler`] reads the job and the message,
//! `payload` makes the body, [`signature`] signs it, and `answer` decides whether the receiver has it. A webhook that
//! was not delivered stays on the queue for the time that `schedule` says, until it is a dead letter.

mod answer;
mod attempt;
mod handler;
mod payload;
mod schedule;
mod serve;
pub mod signature;
#[cfg(test)]
mod tests;

pub use handler::{Handler, StartError};
pub use serve::serve;
