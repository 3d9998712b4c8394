//! Reads the synthesized CloudFormation template into the resources to run.

mod conditions;
mod document;
mod error;
mod intrinsics;
mod location;
mod properties;
mod reader;
mod references;
mod routes;
mod system;

pub use error::TemplateError;
pub(crate) use location::StackLocation;
pub(crate) use properties::{Cors, JwtConfiguration};
pub(crate) use system::{
    Authorizer, EventSource, FunctionResource, HttpApiResource, QueueResource, RouteTarget, System,
    WebSocketApiResource,
};
