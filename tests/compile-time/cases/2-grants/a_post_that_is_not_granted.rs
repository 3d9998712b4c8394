//! The jobs function serves HTTP; it does not talk to connections.

use aws_config::SdkConfig;
use contract::functions::JobsFunction;
use handlers_core::aws::{ConnectionsApi, Environment};

fn connections(
    config: &SdkConfig,
    environment: &Environment<JobsFunction>,
) -> ConnectionsApi<JobsFunction> {
    ConnectionsApi::new(config, environment)
}

fn main() {}
