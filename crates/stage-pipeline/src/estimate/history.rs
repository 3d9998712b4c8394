//! How long a stage took in earlier jobs.

use serde::{Deserialize, Serialize};

use super::{pace::Prior, stored::stored_as_list};

/// Smallest weight of the newest job. Older jobs are forgotten, because inputs and code change.
const LEAST_WEIGHT: f64 = 0.1;
/// Number of jobs above which the spread is not known better.
const JOBS_THAT_COUNT: u32 = 10;
/// Variance of the logarithm of a duration that is assumed with the weight of one job.
const ASSUMED_VARIANCE: f64 = 0.4;
/// Variance of the logarithm of the duration predicted halfway, assumed with the weight of one job.
const ASSUMED_HALFWAY_VARIANCE: f64 = 0.01;
/// Least variance of a prediction: the next job is never exactly like the last ones.
const LEAST_VARIANCE: f64 = 0.0004;
/// Shortest duration that is recorded, in seconds, because it has a logarithm.
const SHORTEST: f64 = 0.001;

/// Mean and spread of the duration of one stage in earlier jobs.
///
/// They are those of the logarithm of the duration: a job of twice the size takes twice as long. The newest
/// of `n` jobs has the weight `1 / n`, but at least a tenth.
///
/// It is serialized as a list of five numbers.
///
/// ```
/// # use stage_pipeline::{StageDuration, StageHistory};
/// let mut history = StageHistory::default();
/// assert_eq!(history.typical_seconds(), None);
/// for seconds in [50.0, 200.0] {
///     history.record(StageDuration::of_seconds(seconds));
/// }
/// assert_eq!(history.typical_seconds().map(f64::round), Some(100.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f32>")]
pub struct StageHistory {
    jobs: u32,
    log_seconds: f64,
    variance: f64,
    curve: f64,
    halfway_variance: f64,
}

stored_as_list!(StageHistory {
    jobs,
    log_seconds,
    variance,
    curve,
    halfway_variance,
});

/// How one job went through a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageDuration {
    /// Seconds from the start of the stage to its end.
    pub seconds: f64,
    /// Whether the progress became slower (above 0) or faster (below 0); none if the stage reported none.
    pub(super) curve: Option<f64>,
    /// Error of the prediction that was made when half of the work was done, as a logarithm.
    pub(super) halfway_error: Option<f64>,
}

impl StageDuration {
    /// A stage that took `seconds` and reported no progress.
    pub const fn of_seconds(seconds: f64) -> Self {
        Self {
            seconds,
            curve: None,
            halfway_error: None,
        }
    }
}

impl StageHistory {
    /// Adds a job.
    pub fn record(&mut self, duration: StageDuration) {
        self.jobs = self.jobs.saturating_add(1);
        let weight = (1.0 / f64::from(self.jobs)).max(LEAST_WEIGHT);
        let deviation = duration.seconds.max(SHORTEST).ln() - self.log_seconds;
        self.log_seconds += weight * deviation;
        self.variance = (1.0 - weight) * (self.variance + weight * deviation * deviation);
        self.curve += weight * (duration.curve.unwrap_or(0.0) - self.curve);
        let error = duration.halfway_error.unwrap_or(1.0).clamp(-1.0, 1.0);
        self.halfway_variance += weight * (error * error - self.halfway_variance);
    }

    /// The number of jobs.
    pub const fn jobs(&self) -> u32 {
        self.jobs
    }

    /// The geometric mean of the durations, in seconds. None without jobs.
    pub fn typical_seconds(&self) -> Option<f64> {
        (self.jobs > 0).then(|| self.log_seconds.exp())
    }

    /// Standard deviation of the logarithm of the duration: 0.1 is about 10 %.
    pub fn relative_spread(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Variance of the logarithm of the next job's duration.
    pub(super) fn predictive_variance(&self) -> f64 {
        let jobs = f64::from(self.jobs.min(JOBS_THAT_COUNT));
        let variance = (self.variance * jobs + ASSUMED_VARIANCE) / (jobs + 1.0);
        variance * (1.0 + 1.0 / jobs.max(1.0)) + LEAST_VARIANCE
    }

    pub(super) fn prior(&self) -> Prior {
        let jobs = f64::from(self.jobs.min(JOBS_THAT_COUNT));
        Prior {
            curve: self.curve,
            halfway_variance: (self.halfway_variance * jobs + ASSUMED_HALFWAY_VARIANCE)
                / (jobs + 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_the_logarithm() {
        let mut history = StageHistory::default();
        for _ in 0..5 {
            history.record(StageDuration::of_seconds(10.0));
            history.record(StageDuration::of_seconds(10.0 * 0.2_f64.exp()));
        }
        let spread = history.relative_spread();
        assert!((0.09..0.11).contains(&spread), "{spread}");
    }

    #[test]
    fn old_jobs_are_forgotten() {
        let mut history = StageHistory::default();
        for seconds in [[100.0; 50], [10.0; 50]].as_flattened() {
            history.record(StageDuration::of_seconds(*seconds));
        }
        let seconds = history.typical_seconds().expect("jobs");
        assert!((10.0..10.2).contains(&seconds), "{seconds}");
    }

    #[test]
    fn duration_of_zero_is_recorded() {
        let mut history = StageHistory::default();
        history.record(StageDuration::of_seconds(0.0));
        assert!(history.typical_seconds().is_some_and(f64::is_finite));
    }
}
