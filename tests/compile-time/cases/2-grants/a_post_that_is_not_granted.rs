//! The jobs function serves HTTP and may not post to connections.

use aws_config::SdkConfig;
use stagecast_contract::functions::JobsFunction;
use granted_aws::{ConnectionsApi, Environment};

fn connections(
    config: &SdkConfig,
    environment: &Environment<JobsFunction>,
) -> ConnectionsApi<JobsFunction> {
    ConnectionsApi::new(config, environment)
}

fn main() {}
