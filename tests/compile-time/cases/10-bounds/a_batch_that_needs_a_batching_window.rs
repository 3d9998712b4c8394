//! Lambda passes more than ten messages to an invocation only with a batching window.

use typed_contract::{functions::Trigger, queues::Queue as _};

typed_contract::queue! {
    /// Charts that wait to be drawn.
    ChartQueue = "charts" in "CHARTS_QUEUE_URL" {
        message: String,
        visibility_timeout_seconds: 60,
        max_receives: 5,
    }
}

typed_contract::function! {
    /// Draws charts.
    ChartsFunction = "charts" {
        memory_mib: 512,
        timeout_seconds: 60,
        retry_budget_seconds: 0,
        triggers: [Trigger::Queue { queue: ChartQueue::SPEC, batch_size: 100 }],
        grants: {},
        settings: [],
    }
}

fn main() {}
