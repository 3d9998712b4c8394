//! API Gateway's WebSocket API and `@connections`.

mod api;
mod authorizer;
mod connection;
mod event;
pub(crate) mod management;

pub(crate) use api::WebSocketApi;
pub use api::WebSocketLimits;
pub(crate) use management::is_management;
