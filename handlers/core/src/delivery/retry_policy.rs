//! How often and how long a failed post is repeated.

use std::time::Duration;

use contract::functions::Function;

/// Limits of the attempts to deliver one message to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts, the first included.
    pub attempts: u32,
    /// Longest time from the first attempt to the start of the last.
    pub total: Duration,
    /// Ceiling of the first wait; doubles with each attempt.
    pub first_wait: Duration,
    /// Ceiling of any wait.
    pub longest_wait: Duration,
}

impl RetryPolicy {
    /// The budget that the contract gives the function `F`.
    pub const fn of<F: Function>() -> Self {
        Self {
            attempts: 8,
            total: Duration::from_secs(F::SPEC.retry_budget_seconds as u64),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
        }
    }

    /// Exponential backoff with full jitter: anything up to the ceiling of the attempt (1 for the
    /// first) that has just failed.
    pub fn wait_after(&self, attempt: u32) -> Duration {
        let ceiling = self.ceiling_after(attempt);
        ceiling.mul_f64(fastrand::f64())
    }

    fn ceiling_after(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first_wait
            .saturating_mul(doubled)
            .min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_until_the_longest_wait() {
        let retry_policy = RetryPolicy {
            attempts: 8,
            total: Duration::from_secs(10),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
        };
        let ceilings: Vec<_> = (1..=7)
            .map(|attempt| retry_policy.ceiling_after(attempt).as_millis())
            .collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 2000, 2000]);
        for attempt in [1, 5, 1000] {
            assert!(retry_policy.wait_after(attempt) <= retry_policy.ceiling_after(attempt));
        }
    }
}
