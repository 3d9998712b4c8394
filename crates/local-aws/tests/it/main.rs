//! Tests of the running local stack: API Gateway's limits and responses, and the AWS services through
//! the AWS SDK.

mod authorizers;
mod connections;
mod harness;
mod http_api;
mod raw_requests;
mod sdk;
mod services;
mod site;
mod start;
mod websocket_routes;
