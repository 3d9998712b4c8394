//! Reading the synthesized template: from plain CloudFormation to what there is to run.

mod conditions;
mod document;
mod error;
mod intrinsics;
mod place;
mod properties;
mod reader;
mod references;
mod routes;
mod system;

pub use error::TemplateError;
pub(crate) use place::Place;
pub(crate) use properties::{Cors, JwtConfiguration};
pub(crate) use system::{
    Authorizer, EventSource, FunctionResource, HttpApiResource, QueueResource, RouteTarget, System,
    WebSocketApiResource,
};
