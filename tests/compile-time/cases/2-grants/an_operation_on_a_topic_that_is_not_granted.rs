//! The function may publish to the topic, but not read its settings.

use granted_aws::Environment;
use typed_contract::functions::Trigger;

typed_contract::external! {
    /// The topic of the support team.
    Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
        /// Send a message to the topic's subscribers.
        Publish = "sns:Publish",
        /// Read the topic's settings.
        GetTopicAttributes = "sns:GetTopicAttributes",
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
            Alerts: [Publish],
        },
        settings: [],
    }
}

fn alerts(environment: &Environment<ShippingFunction>) -> &str {
    environment.target_of::<GetTopicAttributes<Alerts>>()
}

fn main() {}
