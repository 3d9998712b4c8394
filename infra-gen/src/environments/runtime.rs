//! What functions run on and log, and how many requests there may be.

use std::ops::RangeInclusive;

/// Invocations at a time that a queue makes of its consumer, at most. In a constant, a number that
/// Lambda refuses does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueConcurrency(u32);

impl QueueConcurrency {
    /// The least and the most that Lambda takes.
    pub const LIMITS: RangeInclusive<u32> = 2..=1000;

    /// So many invocations.
    ///
    /// # Panics
    ///
    /// When Lambda takes no such number.
    #[track_caller]
    pub const fn new(invocations: u32) -> Self {
        assert!(
            invocations >= *Self::LIMITS.start() && invocations <= *Self::LIMITS.end(),
            "the maximum concurrency of a queue's consumer is 2 to 1000 invocations at a time",
        );
        Self(invocations)
    }

    /// The number, but no more than `reserved`: what a function is refused for lack of concurrency
    /// counts as received, and is hidden for long.
    #[must_use]
    pub fn within(self, reserved: Option<u32>) -> Self {
        let least = *Self::LIMITS.start();
        Self(reserved.map_or(self.0, |reserved| self.0.min(reserved).max(least)))
    }

    /// The number.
    pub const fn invocations(self) -> u32 {
        self.0
    }
}

/// How many requests an API takes before it answers with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// Requests a second, in the long run.
    pub requests_per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_concurrency_keeps_within_what_is_reserved_and_what_lambda_takes() {
        let many = QueueConcurrency::new(600);
        assert_eq!(many.within(None), many);
        assert_eq!(many.within(Some(20)).invocations(), 20);
        assert_eq!(many.within(Some(900)), many);
        assert_eq!(many.within(Some(1)).invocations(), 2);
    }

    #[test]
    #[should_panic(expected = "2 to 1000")]
    fn queue_concurrency_of_one_is_refused() {
        let _ = QueueConcurrency::new(1);
    }
}
