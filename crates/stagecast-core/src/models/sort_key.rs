//! Priorities in sort keys, in which the highest is first.

use stagecast_contract::worker_queues::MAX_PRIORITY;

/// The priority in a sort key: its difference to the highest one follows `prefix`.
pub(super) fn priority_in_key(entry: &str, prefix: &str) -> u8 {
    let digit = entry.as_bytes().get(prefix.len());
    digit.map_or(0, |digit| {
        MAX_PRIORITY.saturating_sub(digit.wrapping_sub(b'0'))
    })
}
