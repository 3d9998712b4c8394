//! Constructs: an API, a table, a queue or a function, with all resources that belong to it.
//!
//! A construct adds its resources to a [`Stack`] and returns what other constructs refer to.

mod access_log;
mod alarms;
mod assembly;
mod authorizer;
mod bucket;
mod dashboard;
mod domain;
mod event_source;
mod function;
mod http_api;
mod integration;
mod metrics;
mod permissions;
mod queue;
mod route_key;
mod route_limit;
mod stage_name;
mod table;
mod websocket_api;
mod websocket_routes;

pub use alarms::Alarms;
pub use assembly::{NAME_SUFFIX, Stack, SynthError, stack_tags};
pub use authorizer::AuthorizableRoute;
pub use bucket::Bucket;
pub use dashboard::Dashboard;
pub use function::Function;
pub use http_api::HttpApi;
pub use metrics::Monitored;
pub use permissions::Grantable;
pub use queue::Queue;
pub use route_key::{InvalidRouteKey, RouteKey};
pub use stage_name::StageName;
pub use table::Table;
pub use websocket_api::WebSocketApi;
