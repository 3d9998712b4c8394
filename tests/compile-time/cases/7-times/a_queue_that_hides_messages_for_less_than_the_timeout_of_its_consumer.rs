//! A message that becomes visible while it is processed is processed twice.

use stagecast_contract::{queues::JobMessage, tables::Jobs};
use typed_contract::{functions::Trigger, queues::Queue as _};

typed_contract::queue! {
    /// Charts that wait to be drawn.
    ChartQueue = "charts" in "CHARTS_QUEUE_URL" {
        message: JobMessage,
        visibility_timeout_seconds: 45,
        max_receives: 5,
    }
}

typed_contract::function! {
    /// Draws charts.
    ChartsFunction = "charts" {
        memory_mib: 512,
        timeout_seconds: 60,
        retry_budget_seconds: 0,
        triggers: [Trigger::Queue { queue: ChartQueue::SPEC, batch_size: 1 }],
        grants: {
            Jobs: [GetItem],
        },
        settings: [],
    }
}

fn main() {}
