//! How much of the log a connection may still be sent by its own requests.

use contract::limits::REPLAYS_PER_SECOND;

/// Time in which one message is added to the allowance, in milliseconds.
const MILLIS_PER_MESSAGE: u64 = 1000 / REPLAYS_PER_SECOND;

/// A token bucket that is stored as one number: when it is full again, in milliseconds since 1970.
/// A connection that has never been sent anything has a full one, and no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayAllowance {
    full_at_millis: Option<u64>,
}

/// The allowance is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimited {
    /// When the request can be served, in seconds from now.
    pub retry_after_seconds: u64,
}

impl ReplayLimited {
    /// Other requests of the connection were served first, each time. The pause differs between them,
    /// so that they do not come back together.
    pub fn contended() -> Self {
        Self {
            retry_after_seconds: fastrand::u64(1..=5),
        }
    }
}

impl ReplayAllowance {
    /// The allowance that is stored as this number.
    pub const fn stored(full_at_millis: Option<u64>) -> Self {
        Self { full_at_millis }
    }

    /// The number that the allowance is stored as.
    pub const fn full_at_millis(self) -> Option<u64> {
        self.full_at_millis
    }

    /// The allowance after `messages` are taken from it; full, it is `burst`. A full one is enough for any number, or a
    /// long log could never be had.
    pub fn take(self, messages: u64, burst: u64, now_millis: u64) -> Result<Self, ReplayLimited> {
        let cost = messages.min(burst) * MILLIS_PER_MESSAGE;
        let full_at = self.full_at_millis.unwrap_or(0).max(now_millis) + cost;
        let excess = (full_at - now_millis).saturating_sub(burst * MILLIS_PER_MESSAGE);
        if excess > 0 {
            return Err(ReplayLimited {
                retry_after_seconds: excess.div_ceil(1000),
            });
        }
        Ok(Self {
            full_at_millis: Some(full_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use contract::limits::{DEFAULT_MAX_SUBSCRIPTIONS, replay_burst};

    use super::*;

    const BURST: u64 = replay_burst(DEFAULT_MAX_SUBSCRIPTIONS);

    const NOW: u64 = 1_705_314_615_123;
    /// What a subscription to a job of fifty stages costs: `subscribed`, and the log.
    const REPLAY: u64 = 52;

    #[test]
    fn a_connection_may_have_the_longest_logs_of_all_the_jobs_that_it_may_watch() {
        for most in [1, DEFAULT_MAX_SUBSCRIPTIONS, 200] {
            let mut allowance = ReplayAllowance::default();
            for _ in 0..most {
                allowance = allowance.take(REPLAY, replay_burst(most), NOW).unwrap();
            }
        }
    }

    #[test]
    fn replays_in_a_loop_are_limited_to_the_rate_that_the_allowance_grows_by() {
        let (mut allowance, mut served) = (ReplayAllowance::default(), 0);
        // Two hundred requests a second for an hour, which is a connection's idle life six times.
        for millis in (0..3_600_000).step_by(5) {
            if let Ok(left) = allowance.take(REPLAY, BURST, NOW + millis) {
                allowance = left;
                served += REPLAY;
            }
        }
        assert!(served <= BURST + 3600 * REPLAYS_PER_SECOND, "{served}");
    }

    #[test]
    fn a_limited_request_is_served_when_it_was_said_to_be() {
        let spent = ReplayAllowance::default().take(BURST, BURST, NOW).unwrap();
        let ReplayLimited {
            retry_after_seconds,
        } = spent.take(REPLAY, BURST, NOW).unwrap_err();
        assert_eq!(retry_after_seconds, REPLAY.div_ceil(REPLAYS_PER_SECOND));
        assert!(
            spent
                .take(REPLAY, BURST, NOW + 1000 * retry_after_seconds)
                .is_ok()
        );
    }

    #[test]
    fn contended_requests_are_sent_back_for_different_times() {
        let pauses: std::collections::BTreeSet<_> = (0..200)
            .map(|_| ReplayLimited::contended().retry_after_seconds)
            .collect();
        assert_eq!(pauses, (1..=5).collect());
    }

    #[test]
    fn a_log_longer_than_the_allowance_can_be_had_once_it_is_full() {
        let spent = ReplayAllowance::default().take(BURST * 2, BURST, NOW);
        assert!(spent.is_ok_and(|spent| spent.take(1, BURST, NOW).is_err()));
    }

    #[test]
    fn a_clock_that_went_back_does_not_break_the_sum() {
        let spent = ReplayAllowance::default().take(1, BURST, NOW).unwrap();
        assert!(spent.take(1, BURST, NOW - 1000).is_ok());
    }
}
