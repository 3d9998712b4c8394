//! A resource is one topic, not all topics.

typed_contract::external! {
    /// All topics.
    Topics = "arn:{partition}:sns:{region}:{account}:*" in "TOPICS"
}

fn main() {}
