//! Only functions with a grant on the bucket have its name.

use stagecast_contract::{buckets::Objects, functions::WebSocketFunction};
use granted_aws::Environment;

fn bucket(environment: &Environment<WebSocketFunction>) -> &str {
    environment.get::<Objects>()
}

fn main() {}
