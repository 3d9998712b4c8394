//! The local stack, run: API Gateway's limits and answers, and the AWS services through the AWS SDK.

mod answers_of_the_http_api;
mod authorizers;
mod binary;
mod connections;
mod harness;
mod raw_requests;
mod routes_of_the_websocket_api;
mod services;
mod start;
