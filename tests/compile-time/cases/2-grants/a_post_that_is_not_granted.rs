//! A function that is not granted to post to connections.


use granted_aws::{Aws, ConnectionsApi, Environment};
use typed_contract::functions::Trigger;

typed_contract::function! {
    /// Draws charts.
    ChartsFunction = "charts" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {},
        settings: [],
    }
}

fn connections(
    config: &Aws,
    environment: &Environment<ChartsFunction>,
) -> ConnectionsApi<ChartsFunction> {
    ConnectionsApi::new(config, environment)
}

fn main() {}
