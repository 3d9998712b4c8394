//! The concurrency of queue consumers, and the request limits of APIs.

use std::ops::RangeInclusive;

/// The maximum of concurrent invocations that a queue makes of its consumer. In a constant, a number
/// that Lambda refuses does not compile.
///
/// ```compile_fail,E0080
/// use constructs::settings::QueueConcurrency;
///
/// const ONE_AT_A_TIME: QueueConcurrency = QueueConcurrency::new(1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueConcurrency(u32);

impl QueueConcurrency {
    /// The numbers that Lambda accepts.
    pub const LIMITS: RangeInclusive<u32> = 2..=1000;

    /// Validates the number.
    ///
    /// # Panics
    ///
    /// If the number is outside of [`Self::LIMITS`].
    #[track_caller]
    pub const fn new(invocations: u32) -> Self {
        assert!(
            invocations >= *Self::LIMITS.start() && invocations <= *Self::LIMITS.end(),
            "the maximum concurrency of a queue's consumer is 2 to 1000 invocations at a time",
        );
        Self(invocations)
    }

    /// Limits the number to the function's reserved concurrency. A message that is received without
    /// free concurrency counts as an attempt and stays invisible for the visibility timeout.
    #[must_use]
    pub fn within(self, reserved: Option<u32>) -> Self {
        let least = *Self::LIMITS.start();
        Self(reserved.map_or(self.0, |reserved| self.0.min(reserved).max(least)))
    }

    /// The number of invocations.
    pub const fn invocations(self) -> u32 {
        self.0
    }
}

/// The limit of requests, beyond which API Gateway answers 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// The sustained rate in requests per second.
    pub requests_per_second: u32,
    /// The number of requests in a burst.
    pub burst: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_concurrency_keeps_within_reservation_and_limits() {
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
