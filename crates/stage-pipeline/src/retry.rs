//! Whether and when a failed stage is attempted again.

use std::{fmt, time::Duration};

use crate::error::StageFailure;

/// How often a stage is attempted after a temporary failure, and how long the run waits in between.
///
/// A temporary failure is an error that the stage returned as [`StageError::temporary`], or that the attempt
/// took longer than the stage's time limit. The wait doubles with each attempt; half of it is random, so that
/// jobs that failed together are not attempted together again.
///
/// ```
/// # use std::time::Duration;
/// # use stage_pipeline::{JobInput, Progress, Retry, Stage, StageError};
/// struct Fetch;
///
/// impl Stage for Fetch {
///     type Input = ();
///     type Output = ();
///     const NAME: &'static str = "fetch";
///     const RETRY: Retry = Retry {
///         max_attempts: 5,
///         first_delay: Duration::from_secs(2),
///         longest_delay: Duration::from_mins(5),
///     };
///
///     async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<(), StageError> {
///         Err(StageError::temporary("unreachable", "the archive does not answer"))
///     }
/// }
/// ```
///
/// [`StageError::temporary`]: crate::StageError::temporary
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The number of attempts, the first included: 1 to 100.
    pub max_attempts: u32,
    /// The wait before the second attempt.
    pub first_delay: Duration,
    /// The longest wait before an attempt: at most 15 minutes.
    pub longest_delay: Duration,
}

/// A stage that is attempted again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageRetry {
    /// The stage's name.
    pub stage: &'static str,
    /// The number of the next attempt, from 2.
    pub attempt: u32,
    /// The number of attempts, the first included.
    pub max_attempts: u32,
    /// The time until the next attempt.
    pub delay: Duration,
    /// Why the last attempt failed.
    pub failure: StageFailure,
}

impl fmt::Display for StageRetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempt,
            max_attempts,
            delay,
            failure,
            ..
        } = self;
        let seconds = delay.as_secs_f64().ceil();
        write!(
            formatter,
            "Attempt {attempt} of {max_attempts} in {seconds} s, after: {failure}"
        )
    }
}

impl Retry {
    /// One attempt: every failure ends the job.
    pub const NEVER: Self = Self {
        max_attempts: 1,
        first_delay: Duration::ZERO,
        longest_delay: Duration::ZERO,
    };

    /// Whether the values are within their ranges.
    pub(crate) const fn is_valid(&self) -> bool {
        const LONGEST: Duration = Duration::from_mins(15);
        self.max_attempts >= 1
            && self.max_attempts <= 100
            && self.longest_delay.as_nanos() <= LONGEST.as_nanos()
    }

    /// The wait after the failed attempt with this number, from 1; None if there is no further attempt.
    /// `random` is 0 to 1.
    pub(crate) fn delay_after(
        &self,
        attempt: u32,
        failure: &StageFailure,
        random: f64,
    ) -> Option<Duration> {
        if !failure.is_temporary() || attempt >= self.max_attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let longest = self.first_delay.saturating_mul(doubled);
        Some(longest.min(self.longest_delay).mul_f64(0.5 + random / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        max_attempts: 5,
        first_delay: Duration::from_secs(2),
        longest_delay: Duration::from_secs(10),
    };

    #[test]
    fn waits_double_up_to_the_longest_and_are_half_random() {
        let failure = StageFailure::TimedOut {
            limit: Duration::from_secs(1),
        };
        let seconds = |attempt, random| {
            let delay = RETRY.delay_after(attempt, &failure, random);
            delay.map(|delay| delay.as_secs_f64())
        };
        assert_eq!(seconds(1, 1.0), Some(2.0));
        assert_eq!(seconds(1, 0.0), Some(1.0));
        assert_eq!(seconds(2, 1.0), Some(4.0));
        assert_eq!(seconds(4, 1.0), Some(10.0));
        assert_eq!(seconds(5, 1.0), None);
    }

    #[test]
    fn lasting_failures_are_not_attempted_again() {
        for failure in [
            StageFailure::Panicked { message: None },
            StageFailure::NotCancelled,
            StageFailure::Failed {
                code: "no_header".to_owned(),
                message: String::new(),
            },
        ] {
            assert_eq!(RETRY.delay_after(1, &failure, 0.0), None, "{failure}");
        }
    }
}
