//! The function that delivers what publishers could not, or should not, deliver themselves.

mod fan_out;
mod handler;
mod rounds;
mod shortfall;
mod watch;

pub use handler::Handler;
