//! The rate limit of replays: how many messages of logs a connection may request.

use stagecast_contract::limits::REPLAYS_PER_SECOND;

/// Milliseconds in which the allowance grows by one message.
const MILLIS_PER_MESSAGE: u64 = 1000 / REPLAYS_PER_SECOND;

/// A token bucket that is stored as one number: when it is full again, in milliseconds since 1970. A
/// connection without replays has no number; its bucket is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayAllowance {
    full_at_millis: Option<u64>,
}

/// The allowance is too small for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimited {
    /// Seconds until the request can be served.
    pub retry_after_seconds: u64,
}

impl ReplayLimited {
    /// The limit of a request that lost every race against other requests of its connection. The delay is
    /// random, so that such requests do not return together.
    pub fn contended() -> Self {
        Self {
            retry_after_seconds: fastrand::u64(1..=5),
        }
    }
}

impl ReplayAllowance {
    /// The allowance with this stored number.
    pub const fn stored(full_at_millis: Option<u64>) -> Self {
        Self { full_at_millis }
    }

    /// The number to store.
    pub const fn full_at_millis(self) -> Option<u64> {
        self.full_at_millis
    }

    /// The allowance after `messages` are taken from it. A full allowance has `burst` messages and is
    /// enough for any number, because a long log could not be replayed otherwise.
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
    use stagecast_contract::limits::{DEFAULT_MAX_SUBSCRIPTIONS, replay_burst};

    use super::*;

    const BURST: u64 = replay_burst(DEFAULT_MAX_SUBSCRIPTIONS);

    const NOW: u64 = 1_705_314_615_123;
    /// What a subscription to a job of fifty stages costs: `subscribed`, and the log.
    const REPLAY: u64 = 52;

    #[test]
    fn full_allowance_covers_the_longest_logs_of_all_subscriptions() {
        for most in [1, DEFAULT_MAX_SUBSCRIPTIONS, 200] {
            let mut allowance = ReplayAllowance::default();
            for _ in 0..most {
                allowance = allowance.take(REPLAY, replay_burst(most), NOW).unwrap();
            }
        }
    }

    #[test]
    fn replays_in_a_loop_are_limited_to_the_allowed_rate() {
        let (mut allowance, mut served) = (ReplayAllowance::default(), 0);
        // Two hundred requests per second for an hour, six times the idle timeout of a connection.
        for millis in (0..3_600_000).step_by(5) {
            if let Ok(left) = allowance.take(REPLAY, BURST, NOW + millis) {
                allowance = left;
                served += REPLAY;
            }
        }
        assert!(served <= BURST + 3600 * REPLAYS_PER_SECOND, "{served}");
    }

    #[test]
    fn limited_request_is_served_after_its_retry_after() {
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
    fn contended_requests_have_different_delays() {
        let pauses: std::collections::BTreeSet<_> = (0..200)
            .map(|_| ReplayLimited::contended().retry_after_seconds)
            .collect();
        assert_eq!(pauses, (1..=5).collect());
    }

    #[test]
    fn log_longer_than_the_allowance_is_replayed_when_it_is_full() {
        let spent = ReplayAllowance::default().take(BURST * 2, BURST, NOW);
        assert!(spent.is_ok_and(|spent| spent.take(1, BURST, NOW).is_err()));
    }

    #[test]
    fn allowance_survives_a_clock_that_goes_back() {
        let spent = ReplayAllowance::default().take(1, BURST, NOW).unwrap();
        assert!(spent.take(1, BURST, NOW - 1000).is_ok());
    }
}
