//! Lambda has 128 to 10,240 MiB of memory for a function.

use typed_contract::functions::Trigger;

typed_contract::function! {
    /// Draws charts.
    ChartsFunction = "charts" {
        memory_mib: 20000,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {},
        settings: [],
    }
}

fn main() {}
