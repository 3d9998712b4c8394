//! Messages are sent to queues, not to tables.

use stagecast_contract::tables::Jobs;
use typed_contract::functions::Trigger;

typed_contract::function! {
    /// Notifies accounting.
    BillingFunction = "billing" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Jobs: [GetItem, SendMessage],
        },
        settings: [],
    }
}

fn main() {}
