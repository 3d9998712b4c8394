//! Exponential backoff with full jitter.

use std::time::Duration;

/// How long to wait before further attempts: a random time up to a limit that doubles with each failure, so
/// that clients which failed together do not return together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The limit after the first failure.
    pub first: Duration,
    /// The largest limit.
    pub longest: Duration,
}

impl Backoff {
    /// For connections of many clients: up to half a second, then up to 30 seconds.
    pub const RECONNECT: Self = Self {
        first: Duration::from_millis(500),
        longest: Duration::from_secs(30),
    };

    /// For requests of one client: up to a quarter of a second, then up to 10 seconds.
    pub const REQUEST: Self = Self {
        first: Duration::from_millis(250),
        longest: Duration::from_secs(10),
    };

    /// The wait after `failures` consecutive failures, from 1. `random` is 0 to 1.
    #[must_use]
    pub fn wait(self, failures: u32, random: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(20));
        let limit = self.first.saturating_mul(doubled).min(self.longest);
        limit.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_random_up_to_a_limit_that_doubles() {
        let milliseconds = |failures, random| Backoff::RECONNECT.wait(failures, random).as_millis();
        assert_eq!(milliseconds(1, 1.0), 500);
        assert_eq!(milliseconds(1, 0.0), 0);
        assert_eq!(milliseconds(3, 0.5), 1_000);
        assert_eq!(milliseconds(7, 1.0), 30_000);
        assert_eq!(milliseconds(u32::MAX, 1.0), 30_000);
    }
}
