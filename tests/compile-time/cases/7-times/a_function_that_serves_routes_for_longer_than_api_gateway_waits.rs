//! API Gateway waits at most 29 seconds for a function.

use stagecast_contract::tables::Jobs;
use typed_contract::functions::Trigger;

typed_contract::function! {
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
