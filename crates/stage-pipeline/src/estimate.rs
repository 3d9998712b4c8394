//! Estimates the remaining time from the rate of progress.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shortest time of observation before an estimate is made.
const LEAST_ELAPSED: Duration = Duration::from_millis(500);
/// Weight of the newest rate in the smoothed one.
const SMOOTHING: f64 = 0.3;

/// Estimates the remaining time of work whose progress goes from 0 to 1, from a smoothed rate of progress.
///
/// It can be serialized: a service whose processes take turns stores it between two observations.
///
/// ```
/// # use std::time::Duration;
/// # use stage_pipeline::Estimate;
/// let mut estimate = Estimate::default();
/// estimate.observe(Duration::from_secs(0), 0.0);
/// estimate.observe(Duration::from_secs(5), 0.25);
/// assert_eq!(estimate.remaining_seconds(Duration::from_secs(5)), Some(15));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The first observation. Work that was done before it does not count.
    first: Option<Observation>,
    last: Option<Observation>,
    /// Smoothed fraction per second.
    rate: Option<f64>,
}

/// The elapsed milliseconds and the fraction of an observation.
type Observation = (u64, f64);

impl Estimate {
    /// Records that `fraction`, from 0 to 1, was reached after `elapsed`, which is measured from any
    /// constant point in time. Without effect if the fraction is not above the last one.
    pub fn observe(&mut self, elapsed: Duration, fraction: f64) {
        let reached = (millis(elapsed), fraction);
        let (Some(first), Some(last)) = (self.first, self.last) else {
            self.first = Some(reached);
            self.last = Some(reached);
            return;
        };
        let since_last = seconds_between(last.0, reached.0);
        let gained = fraction - last.1;
        if gained <= 0.0 || since_last < 0.0 {
            return;
        }
        self.last = Some(reached);
        if since_last <= 0.0 {
            // Within a millisecond, which gives no rate.
            return;
        }
        let latest = gained / since_last;
        // The average since the start stabilizes the smoothed rate of uneven stages.
        let average = (fraction - first.1) / seconds_between(first.0, reached.0);
        let smoothed = self
            .rate
            .map_or(latest, |rate| rate + SMOOTHING * (latest - rate));
        self.rate = Some(f64::midpoint(smoothed, average));
    }

    /// The remaining seconds at `elapsed`, rounded up. None before two observations with progress and half
    /// a second of time, and if the estimate is over a day.
    pub fn remaining_seconds(&self, elapsed: Duration) -> Option<u64> {
        let ((start, _), (at, fraction), rate) = (self.first?, self.last?, self.rate?);
        let now = millis(elapsed);
        if seconds_between(start, now) < LEAST_ELAPSED.as_secs_f64() || rate <= 0.0 {
            return None;
        }
        let since = seconds_between(at, now);
        let seconds = ((1.0 - fraction) / rate - since).max(0.0).ceil();
        // An estimate of more than a day is not useful.
        (seconds <= 86_400.0).then(|| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 86,400"
            )]
            let seconds = seconds as u64;
            seconds
        })
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

fn seconds_between(start: u64, end: u64) -> f64 {
    Duration::from_millis(end.saturating_sub(start)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn no_estimate_is_made_without_enough_observations() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.remaining_seconds(seconds(5)), None);
        estimate.observe(seconds(0), 0.0);
        assert_eq!(estimate.remaining_seconds(seconds(5)), None);
        estimate.observe(Duration::from_millis(100), 0.5);
        assert_eq!(estimate.remaining_seconds(Duration::from_millis(100)), None);
    }

    #[test]
    fn steady_rate_is_estimated_exactly() {
        let mut estimate = Estimate::default();
        for step in 0..=5 {
            #[expect(clippy::cast_precision_loss, reason = "at most 5")]
            estimate.observe(seconds(step), step as f64 / 10.0);
        }
        assert_eq!(estimate.remaining_seconds(seconds(5)), Some(5));
        assert_eq!(estimate.remaining_seconds(seconds(7)), Some(3));
    }

    #[test]
    fn estimate_is_never_negative() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(1), 0.9);
        assert_eq!(estimate.remaining_seconds(seconds(100)), Some(0));
    }

    #[test]
    fn nothing_remains_at_the_end_even_if_it_comes_at_once() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(9), 0.9);
        estimate.observe(seconds(9), 1.0);
        assert_eq!(estimate.remaining_seconds(seconds(9)), Some(0));
    }

    #[test]
    fn progress_of_an_earlier_run_does_not_count() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.5);
        estimate.observe(seconds(10), 0.75);
        assert_eq!(estimate.remaining_seconds(seconds(10)), Some(10));
    }

    #[test]
    fn progress_that_goes_back_is_ignored() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(5), 0.5);
        estimate.observe(seconds(6), 0.2);
        assert_eq!(estimate.remaining_seconds(seconds(6)), Some(4));
    }

    #[test]
    fn stored_estimate_is_continued() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(5), 0.5);
        let stored = serde_json::to_string(&estimate).expect("JSON");
        let read: Estimate = serde_json::from_str(&stored).expect("an estimate");
        assert_eq!(read, estimate);
        assert_eq!(read.remaining_seconds(seconds(6)), Some(4));
    }
}
