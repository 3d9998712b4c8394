//! The function that delivers what publishers could not, or should not, deliver themselves.

mod fan_out;
mod handler;
mod shortfall;

pub use handler::Handler;
