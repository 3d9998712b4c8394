//! Retries: a policy for each kind of call that is retried, and the loop that follows a policy.
//!
//! Waits are exponential with full jitter. The time is tokio's, so tests with a paused clock do not
//! wait.

use std::{future::Future, time::Duration};

use tokio::time::Instant;
use typed_contract::functions::Function;

/// How often and for how long a failed call is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts, the first included.
    pub attempts: u32,
    /// Longest time from the start of the first attempt to the start of the last.
    pub total: Duration,
    /// Ceiling of the first wait; it doubles with each attempt.
    pub first_wait: Duration,
    /// Ceiling of any wait.
    pub longest_wait: Duration,
}

impl RetryPolicy {
    /// A call to DynamoDB that met another writer of the same item. Writers are done in milliseconds.
    pub(crate) const TRANSACTION_CONFLICT: Self = Self {
        attempts: 8,
        total: Duration::MAX,
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(1280),
    };

    /// Claims of one owner's jobs that have exceeded the owner's limit of running jobs together, and have all given
    /// up. A claim takes some ten milliseconds.
    pub(crate) const SLOT_CONTENTION: Self = Self {
        attempts: 5,
        total: Duration::from_secs(3),
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_millis(800),
    };

    /// A durable message of a run that the tables or the bucket did not take. After these attempts,
    /// the run ends, and the next run publishes the message.
    pub(crate) const DURABLE_MESSAGE: Self = Self {
        attempts: 5,
        total: Duration::MAX,
        first_wait: Duration::from_millis(400),
        longest_wait: Duration::from_millis(3200),
    };

    /// A delivery task that the queue did not take: without it, no process would send the messages.
    pub(crate) const DELIVERY_TASK: Self = Self {
        attempts: 4,
        total: Duration::MAX,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(2),
    };

    /// A post to a connection, within the time that the contract gives the function `F` for posts.
    pub const fn post<F: Function>() -> Self {
        Self {
            attempts: 8,
            total: Duration::from_secs(F::SPEC.retry_budget_seconds as u64),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
        }
    }

    /// Awaits `call` until it succeeds, it fails with an error that is not `transient`, or this policy
    /// allows no further attempt. Returns the last result.
    pub(crate) async fn run<T, E, Call>(
        &self,
        mut call: impl FnMut() -> Call,
        transient: impl Fn(&E) -> bool,
    ) -> Result<T, E>
    where
        Call: Future<Output = Result<T, E>>,
    {
        let mut backoff = self.backoff();
        loop {
            match call().await {
                Err(error) if transient(&error) => {
                    if !backoff.wait().await {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }

    /// The backoff of a call whose first attempt starts now.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff {
            policy: *self,
            start: Instant::now(),
            attempt: 1,
        }
    }

    fn ceiling_after(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first_wait
            .saturating_mul(doubled)
            .min(self.longest_wait)
    }
}

/// The attempts of one call, for loops that [`RetryPolicy::run`] does not fit.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    start: Instant,
    attempt: u32,
}

impl Backoff {
    /// The number of the current attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Waits after a failed attempt. False, without a wait, when the policy allows no further attempt.
    pub(crate) async fn wait(&mut self) -> bool {
        let ceiling = self.policy.ceiling_after(self.attempt);
        let wait = ceiling.mul_f64(fastrand::f64());
        let is_in_time = self.start.elapsed().saturating_add(wait) <= self.policy.total;
        if self.attempt >= self.policy.attempts || !is_in_time {
            return false;
        }
        tokio::time::sleep(wait).await;
        self.attempt += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 8,
        total: Duration::from_secs(10),
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_secs(2),
    };

    /// The result of a call that fails with the errors before it succeeds, and the attempts.
    async fn run(
        policy: &RetryPolicy,
        errors: &[&'static str],
    ) -> (Result<u32, &'static str>, u32) {
        let mut attempts = 0;
        let mut errors = errors.iter();
        let result = policy
            .run(
                || {
                    attempts += 1;
                    std::future::ready(errors.next().map_or(Ok(attempts), |error| Err(*error)))
                },
                |error| *error == "transient",
            )
            .await;
        (result, attempts)
    }

    #[test]
    fn ceiling_doubles_up_to_the_longest_wait() {
        let ceilings: Vec<_> = (1..=7)
            .map(|attempt| POLICY.ceiling_after(attempt).as_millis())
            .collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_below_the_ceilings_of_their_attempts() {
        let mut backoff = POLICY.backoff();
        for attempt in 1..POLICY.attempts {
            let start = Instant::now();
            assert!(backoff.wait().await);
            // Tokio's timer has a resolution of a millisecond.
            let ceiling = POLICY.ceiling_after(attempt) + Duration::from_millis(1);
            assert!(start.elapsed() <= ceiling, "{attempt}");
        }
        assert!(!backoff.wait().await);
        assert_eq!(backoff.attempt(), POLICY.attempts);
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_starts_after_the_total_time() {
        let mut backoff = POLICY.backoff();
        tokio::time::advance(POLICY.total + Duration::from_millis(1)).await;
        assert!(!backoff.wait().await);
    }

    #[tokio::test(start_paused = true)]
    async fn transient_errors_are_retried_until_the_call_succeeds() {
        assert_eq!(run(&POLICY, &["transient"; 3]).await, (Ok(4), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_are_returned_at_once() {
        let start = Instant::now();
        let ended = run(&POLICY, &["transient", "final", "transient"]).await;
        assert_eq!(ended, (Err("final"), 2));
        assert!(start.elapsed() <= POLICY.first_wait + Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn every_policy_ends_with_the_last_error() {
        for policy in [
            RetryPolicy::TRANSACTION_CONFLICT,
            RetryPolicy::DURABLE_MESSAGE,
            RetryPolicy::DELIVERY_TASK,
        ] {
            let start = Instant::now();
            let ended = run(&policy, &["transient"; 100]).await;
            assert_eq!(ended, (Err("transient"), policy.attempts));
            assert!(start.elapsed() < Duration::from_secs(10), "{policy:?}");
        }
    }
}
