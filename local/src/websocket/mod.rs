//! The WebSocket API as API Gateway serves it, and `@connections`.

mod api;
mod authorizer;
mod connection;
mod event;
pub(crate) mod management;

pub(crate) use api::WebSocketApi;
pub use api::WebSocketLimits;
pub(crate) use management::is_management;
