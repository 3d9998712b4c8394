//! API Gateway waits at most 29 seconds for a function.

use contract::{functions::Trigger, tables::Jobs};

contract::function! {
    /// Draws charts.
    ChartsFunction = "charts" {
        memory_mib: 512,
        timeout_seconds: 60,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Jobs: [GetItem],
        },
        settings: [],
    }
}

fn main() {}
