//! What a person thinks in: an API, a table, a queue, a function.
//!
//! A construct adds its resources to a [`Stack`] and hands back what others need of it.

mod access_log;
mod alarms;
mod assembly;
mod authorizer;
mod bucket;
mod dashboard;
mod domain;
mod function;
mod http_api;
mod metrics;
mod permissions;
mod queue;
mod route_key;
mod route_limit;
mod stage_name;
mod table;
mod websocket_api;

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
