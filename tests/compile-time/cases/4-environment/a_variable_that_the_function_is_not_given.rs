//! Only the jobs function has the address of the WebSocket API.

use stagecast_contract::{environment::WebSocketUrl, functions::PipelineFunction};
use granted_aws::Environment;

fn address(environment: &Environment<PipelineFunction>) -> &str {
    environment.get::<WebSocketUrl>()
}

fn main() {}
