//! Lambda ends every invocation after 15 minutes.

use typed_contract::functions::Trigger;

typed_contract::function! {
    /// Draws charts.
    ChartsFunction = "charts" {
        memory_mib: 512,
        timeout_seconds: 1200,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {},
        settings: [],
    }
}

fn main() {}
