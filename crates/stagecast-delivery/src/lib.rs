//! The function that receives delivery tasks: messages that a publisher could not send, or left to
//! this function because the job has many subscribers, the checks of the watchdogs, and webhooks for the function
//! that posts them.
//!
//! [`Handler`] selects the module of a task: `watchdog` for a check, `deliver` for messages, `webhook` for webhooks.

mod attempts;
mod context;
mod created;
mod deliver;
mod error;
mod fan_out;
mod handler;
mod progress_fanout;
mod serve;
#[cfg(test)]
mod tests;
mod undelivered;
mod upload_deadline;
mod watchdog;
mod webhook;

pub use context::InvalidSetting;
pub use handler::Handler;
pub use serve::serve;
