//! How long jobs are kept.

use std::{fmt, num::ParseIntError, ops::RangeInclusive, str::FromStr};

use crate::{limits::DEFAULT_JOB_RETENTION_DAYS, worker::InvalidBody};

/// How long a job, its log, its input and its results are kept after the job's creation: 1 to 365 days.
///
/// ```
/// use stagecast_contract::retention::JobRetention;
///
/// const MONTH: JobRetention = JobRetention::new(30);
/// ```
///
/// A value outside of the range does not compile in a constant:
///
/// ```compile_fail,E0080
/// # use stagecast_contract::retention::JobRetention;
/// const NONE: JobRetention = JobRetention::new(0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobRetention(u32);

/// Jobs cannot be kept for this time.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidRetention {
    /// The number of days is outside of [`JobRetention::LIMITS`].
    #[error("jobs cannot be kept for {0} days; give 1 to 365")]
    OutOfRange(u64),
    /// The text is not a number of days.
    #[error("'{0}' is not a number of days: {1}; give 1 to 365")]
    NoNumber(String, ParseIntError),
}

impl JobRetention {
    /// The numbers of days that are accepted.
    pub const LIMITS: RangeInclusive<u32> = 1..=365;

    /// The retention of an environment that does not set another: 7 days.
    pub const DEFAULT: Self = Self::new(DEFAULT_JOB_RETENTION_DAYS);

    /// A retention of this many days.
    ///
    /// # Panics
    ///
    /// If the number is outside of [`Self::LIMITS`].
    #[track_caller]
    pub const fn new(days: u32) -> Self {
        assert!(
            days >= *Self::LIMITS.start() && days <= *Self::LIMITS.end(),
            "jobs are kept for 1 to 365 days",
        );
        Self(days)
    }

    /// The retention in whole days.
    pub const fn days(self) -> u32 {
        self.0
    }

    /// The retention in seconds.
    pub const fn seconds(self) -> i64 {
        self.0 as i64 * 24 * 60 * 60
    }

    /// The retention of a job whose description asks for `days`, in an environment with this retention. The
    /// error names the field `retention_days`.
    pub fn of_job(self, days: Option<u64>) -> Result<Self, InvalidBody> {
        let Some(days) = days else {
            return Ok(self);
        };
        let field = |problem: String| InvalidBody::field("retention_days", problem);
        let retention = Self::try_from(days).map_err(|error| field(error.to_string()))?;
        if retention > self {
            return Err(field(format!(
                "{days} days; this environment keeps jobs for at most {self}"
            )));
        }
        Ok(retention)
    }
}

impl TryFrom<u64> for JobRetention {
    type Error = InvalidRetention;

    fn try_from(days: u64) -> Result<Self, InvalidRetention> {
        let valid = u32::try_from(days)
            .ok()
            .filter(|days| Self::LIMITS.contains(days));
        valid.map(Self).ok_or(InvalidRetention::OutOfRange(days))
    }
}

impl FromStr for JobRetention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        let days: u64 = text
            .parse()
            .map_err(|error| InvalidRetention::NoNumber(text.to_owned(), error))?;
        Self::try_from(days)
    }
}

/// The number of days, as in the environment variable.
impl fmt::Display for JobRetention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_read_as_it_was_written() {
        let month = JobRetention::new(30);
        assert_eq!(month.to_string().parse(), Ok(month));
        assert_eq!(month.seconds(), 30 * 86_400);
        for text in ["0", "366", "-1", "a week", ""] {
            let error = text.parse::<JobRetention>().expect_err(text).to_string();
            assert!(
                error.contains(text) && error.ends_with("give 1 to 365"),
                "{error}"
            );
        }
    }

    #[test]
    fn job_is_kept_for_at_most_the_time_of_its_environment() {
        let week = JobRetention::DEFAULT;
        assert_eq!(week.of_job(None), Ok(week));
        assert_eq!(week.of_job(Some(7)), Ok(week));
        assert_eq!(week.of_job(Some(1)), Ok(JobRetention::new(1)));
        for (days, part) in [(8, "at most 7"), (0, "0 days"), (u64::MAX, "1 to 365")] {
            let error = week.of_job(Some(days)).expect_err("out of range");
            assert_eq!(error.details["field"], "retention_days");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
