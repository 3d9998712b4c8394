//! A function that times out while it retries cannot defer its messages.

use typed_contract::{environment::WebSocketApi, functions::Trigger};

typed_contract::function! {
    /// Says hello.
    GreetingFunction = "greeting" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 15,
        triggers: [Trigger::WebSocketRoutes],
        grants: {
            WebSocketApi: [PostToConnection],
        },
        settings: [],
    }
}

fn main() {}
