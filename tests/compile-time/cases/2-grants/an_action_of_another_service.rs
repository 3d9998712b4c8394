//! A topic cannot be called like a function.

use typed_contract::functions::Trigger;

typed_contract::external! {
    /// The topic of the support team.
    Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
        /// Call a function.
        Invoke = "lambda:InvokeFunction",
    }
}

typed_contract::function! {
    /// Ships orders.
    ShippingFunction = "shipping" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Alerts: [Invoke],
        },
        settings: [],
    }
}

fn main() {}
