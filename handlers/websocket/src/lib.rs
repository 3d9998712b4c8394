//! The function that serves every route of the WebSocket API.

mod handler;
mod lifecycle;
mod messages;
mod reply;
#[cfg(test)]
mod tests;

pub use handler::{Handler, UndeliveredReply};
