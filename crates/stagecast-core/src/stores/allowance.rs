//! The optimistic lock of a connection's replay allowance, as parts of an update expression.

use aws_sdk_dynamodb::types::AttributeValue;
use granted_aws::number;

use crate::models::ReplayAllowance;

/// The condition that the stored allowance is `before`.
pub(super) fn unchanged(before: ReplayAllowance) -> &'static str {
    match before.full_at_millis() {
        Some(_) => "replay_full_at = :full_before",
        None => "attribute_not_exists(replay_full_at)",
    }
}

/// The expression values of an update from `before` to `after`.
pub(super) fn values(
    before: ReplayAllowance,
    after: ReplayAllowance,
) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let value = |name, allowance: ReplayAllowance| {
        let full_at = allowance.full_at_millis();
        full_at.map(|full_at| (name, number(full_at)))
    };
    [value(":full_at", after), value(":full_before", before)]
        .into_iter()
        .flatten()
}
