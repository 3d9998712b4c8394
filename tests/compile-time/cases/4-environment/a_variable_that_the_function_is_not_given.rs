//! Only the jobs function has the address of the WebSocket API.

use stagecast_contract::{environment::WebSocketUrl, functions::DeliveryFunction};
use granted_aws::Environment;

fn address(environment: &Environment<DeliveryFunction>) -> &str {
    environment.get::<WebSocketUrl>()
}

fn main() {}
