//! The function that delivers what publishers could not, or should not, deliver themselves.

mod handler;
mod shortfall;

pub use handler::Handler;
