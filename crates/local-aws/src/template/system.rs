//! The resources of a template, ready to run.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::properties::{Cors, JwtConfiguration};

/// The resources that the local stack runs.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub(crate) websocket: Option<WebSocketApiResource>,
    pub(crate) http: Option<HttpApiResource>,
    pub(crate) functions: Vec<FunctionResource>,
    pub(crate) event_sources: Vec<EventSource>,
    pub(crate) queues: Vec<QueueResource>,
    /// `CreateTable` requests, each with the name of the time-to-live attribute.
    pub(crate) tables: Vec<(Value, Option<String>)>,
    pub(crate) buckets: Vec<String>,
    pub(crate) outputs: BTreeMap<String, String>,
    /// Sentences about parts of the template that have no effect here.
    pub(crate) warnings: Vec<String>,
}

/// The WebSocket API to run.
#[derive(Debug)]
pub(crate) struct WebSocketApiResource {
    pub(crate) id: String,
    pub(crate) stage: String,
    /// The path in the body to the value that selects a route, from `$request.body.{field}`.
    pub(crate) selector: Vec<String>,
    pub(crate) routes: BTreeMap<String, RouteTarget>,
}

/// The HTTP API to run.
#[derive(Debug)]
pub(crate) struct HttpApiResource {
    pub(crate) id: String,
    pub(crate) stage: String,
    pub(crate) cors: Option<Cors>,
    pub(crate) routes: BTreeMap<String, RouteTarget>,
}

/// The integration of a route.
#[derive(Clone, Debug)]
pub(crate) struct RouteTarget {
    /// The physical name of the function.
    pub(crate) function: String,
    /// The integration's timeout.
    pub(crate) timeout: Duration,
    /// `None`: the route is open.
    pub(crate) authorizer: Option<Authorizer>,
}

/// Decides which requests may use a route.
#[derive(Clone, Debug)]
pub(crate) enum Authorizer {
    /// A JWT of the configured issuer and audience.
    Jwt(JwtConfiguration),
    /// The decision of a function.
    Request {
        /// The parts that a request must have. Without them it is rejected before the function runs.
        identity_sources: Vec<String>,
        /// The function's name, in the template or in the folder of executables.
        function: String,
    },
}

/// A function to run.
#[derive(Clone, Debug)]
pub(crate) struct FunctionResource {
    /// The physical name.
    pub(crate) name: String,
    /// The name of the executable.
    pub(crate) binary: String,
    pub(crate) arn: String,
    pub(crate) timeout: Duration,
    pub(crate) memory_mib: u64,
    pub(crate) reserved_concurrency: Option<usize>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// A queue to run.
#[derive(Clone, Debug)]
pub(crate) struct QueueResource {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) url: String,
    pub(crate) visibility_timeout: Duration,
    pub(crate) delay: Duration,
    pub(crate) retention: Duration,
    /// The name of the dead-letter queue, and the receives after which a message moves there.
    pub(crate) redrive: Option<(String, u32)>,
    /// The initial receive count of a message.
    pub(crate) earlier_receives: u32,
}

/// A queue that invokes a function.
#[derive(Clone, Debug)]
pub(crate) struct EventSource {
    pub(crate) queue: String,
    pub(crate) function: String,
    pub(crate) batch_size: usize,
    pub(crate) reports_item_failures: bool,
    pub(crate) maximum_concurrency: Option<usize>,
}
