//! The remaining time, from the rate so far.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Evidence before an estimate is given.
const LEAST_ELAPSED: Duration = Duration::from_millis(500);
/// Weight of the newest rate in the smoothed one.
const SMOOTHING: f64 = 0.3;

/// Estimates the remaining time of something whose progress goes from 0 to 1. Of a job whose worker
/// talks to one process now and to another then, it is kept in the job's item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Where the estimate starts: work done before this run says nothing about its rate.
    first: Option<Reached>,
    last: Option<Reached>,
    /// Smoothed fraction per second.
    rate: Option<f64>,
}

/// A fraction, and when it was reached, in milliseconds.
type Reached = (u64, f64);

impl Estimate {
    /// Notes that `fraction` was reached after `elapsed`.
    pub fn observe(&mut self, elapsed: Duration, fraction: f64) {
        let reached = (millis(elapsed), fraction);
        let (Some(first), Some(last)) = (self.first, self.last) else {
            self.first = Some(reached);
            self.last = Some(reached);
            return;
        };
        let since_last = seconds_between(last.0, reached.0);
        let gained = fraction - last.1;
        if gained <= 0.0 || since_last <= 0.0 {
            return;
        }
        self.last = Some(reached);
        let latest = gained / since_last;
        // The average since the start steadies the smoothed rate of uneven stages.
        let average = (fraction - first.1) / seconds_between(first.0, reached.0);
        let smoothed = self
            .rate
            .map_or(latest, |rate| rate + SMOOTHING * (latest - rate));
        self.rate = Some(f64::midpoint(smoothed, average));
    }

    /// Whole seconds that remain at `elapsed`, rounded up; none before there is evidence.
    pub fn remaining_seconds(&self, elapsed: Duration) -> Option<u64> {
        let ((start, _), (at, fraction), rate) = (self.first?, self.last?, self.rate?);
        let now = millis(elapsed);
        if seconds_between(start, now) < LEAST_ELAPSED.as_secs_f64() || rate <= 0.0 {
            return None;
        }
        let since = seconds_between(at, now);
        let seconds = ((1.0 - fraction) / rate - since).max(0.0).ceil();
        // Slower than a day is no estimate.
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
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn there_is_no_estimate_before_there_is_evidence() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.remaining_seconds(seconds(5)), None);
        estimate.observe(seconds(0), 0.0);
        assert_eq!(estimate.remaining_seconds(seconds(5)), None);
        estimate.observe(Duration::from_millis(100), 0.5);
        assert_eq!(estimate.remaining_seconds(Duration::from_millis(100)), None);
    }

    #[test]
    fn a_steady_rate_is_estimated_exactly() {
        let mut estimate = Estimate::default();
        for step in 0..=5 {
            #[expect(clippy::cast_precision_loss, reason = "at most 5")]
            estimate.observe(seconds(step), step as f64 / 10.0);
        }
        assert_eq!(estimate.remaining_seconds(seconds(5)), Some(5));
        assert_eq!(estimate.remaining_seconds(seconds(7)), Some(3));
    }

    #[test]
    fn the_estimate_is_never_negative() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(1), 0.9);
        assert_eq!(estimate.remaining_seconds(seconds(100)), Some(0));
    }

    #[test]
    fn what_an_earlier_run_has_done_does_not_count_as_speed() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.5);
        estimate.observe(seconds(10), 0.75);
        assert_eq!(estimate.remaining_seconds(seconds(10)), Some(10));
    }

    #[test]
    fn progress_that_goes_back_changes_nothing() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(5), 0.5);
        estimate.observe(seconds(6), 0.2);
        assert_eq!(estimate.remaining_seconds(seconds(6)), Some(4));
    }

    #[test]
    fn an_estimate_that_was_put_away_goes_on_where_it_was() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(5), 0.5);
        let item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(&estimate).expect("attributes");
        let read: Estimate = serde_dynamo::from_item(item).expect("an estimate");
        assert_eq!(read, estimate);
        assert_eq!(read.remaining_seconds(seconds(6)), Some(4));
    }
}
