//! When a webhook is posted again.

use std::time::Duration;

use stagecast_contract::queues::MAX_WEBHOOK_ATTEMPTS;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;

/// Seconds after each failed attempt but the last, without jitter. Their sum is 23 hours and 26 minutes.
const WAITS: [u32; MAX_WEBHOOK_ATTEMPTS as usize - 1] = [
    5,
    15,
    MINUTE,
    5 * MINUTE,
    20 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    7 * HOUR,
    9 * HOUR,
];

/// The longest wait that a receiver can ask for in `retry-after`, in seconds.
const LONGEST_REQUESTED: u32 = 6 * HOUR;

/// SQS's limit for the visibility timeout of a message, counted from its receive, in seconds.
const LONGEST_INVISIBILITY: u32 = 12 * HOUR;

const _: () = assert!(WAITS[WAITS.len() - 1] / 10 * 11 + HOUR < LONGEST_INVISIBILITY);
const _: () = assert!(LONGEST_REQUESTED / 10 * 11 + HOUR < LONGEST_INVISIBILITY);

/// Seconds until the attempt after the failed one with this number, from 1; none after the last one. It is the
/// scheduled time, or the one that the receiver has asked for if that is longer, and up to a tenth more: webhooks that
/// failed together are not posted again together.
pub(crate) fn wait_after(attempt: u32, requested: Option<Duration>) -> Option<i32> {
    wait_with_jitter(attempt, requested, fastrand::f64())
}

/// [`wait_after`] with a `jitter` from 0 to 1.
fn wait_with_jitter(attempt: u32, requested: Option<Duration>, jitter: f64) -> Option<i32> {
    let index = usize::try_from(attempt.saturating_sub(1)).ok()?;
    let scheduled = *WAITS.get(index)?;
    let requested = requested.map_or(0, |wait| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX));
    let wait = scheduled.max(requested.min(LONGEST_REQUESTED));
    let jittered = Duration::from_secs(wait.into()).mul_f64(1.0 + jitter / 10.0);
    i32::try_from(jittered.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_spread_over_about_a_day() {
        let total = |jitter| -> i32 {
            let waits =
                (1..=MAX_WEBHOOK_ATTEMPTS).map_while(|it| wait_with_jitter(it, None, jitter));
            waits.sum()
        };
        let hours = |hours: i32, minutes: i32| (hours * 60 + minutes) * 60;
        assert!(total(0.0) >= hours(23, 26) && total(1.0) <= hours(26, 0));
        assert_eq!(wait_with_jitter(MAX_WEBHOOK_ATTEMPTS, None, 0.0), None);
        assert_eq!(wait_with_jitter(1, None, 0.0), Some(5));
        assert_eq!(wait_with_jitter(10, None, 1.0), Some(9 * 3600 + 3240));
    }

    #[test]
    fn requested_wait_counts_if_it_is_longer_up_to_six_hours() {
        let wait = |attempt, seconds| {
            wait_with_jitter(attempt, Some(Duration::from_secs(seconds)), 0.0).expect("a wait")
        };
        assert_eq!(wait(1, 120), 120);
        assert_eq!(wait(6, 120), 3600);
        assert_eq!(wait(1, u64::MAX), 6 * 3600);
        assert_eq!(wait(10, u64::MAX), 9 * 3600);
    }

    #[test]
    fn jitter_is_between_nothing_and_a_tenth() {
        for _ in 0..1000 {
            let wait = wait_after(6, None).expect("a wait");
            assert!((3600..=3960).contains(&wait), "{wait}");
        }
    }
}
