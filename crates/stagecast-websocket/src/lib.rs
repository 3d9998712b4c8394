//! The function that serves every route of the WebSocket API.
//!
//! [`Handler`] selects the module of a route. Each message has a module with a function `handle`,
//! which takes the function's `Context` and the `Invocation`.

mod connect;
mod context;
mod disconnect;
mod handler;
mod invocation;
mod messages;
mod replay;
mod reply;
mod serve;
#[cfg(test)]
mod tests;

pub use context::InvalidSetting;
pub use handler::Handler;
pub use invocation::UndeliveredReply;
pub use serve::serve;
