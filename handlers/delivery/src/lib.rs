//! The function that delivers what publishers could not, or should not, deliver themselves.

mod attempts;
mod fan_out;
mod handler;
mod progress_fanout;
mod shortfall;
#[cfg(test)]
mod tests;
mod watch;

pub use handler::Handler;
