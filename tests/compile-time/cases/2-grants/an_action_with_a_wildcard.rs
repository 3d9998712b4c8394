//! Each action is named.

typed_contract::external! {
    /// The topic of the support team.
    Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
        /// Anything.
        Anything = "sns:*",
    }
}

fn main() {}
