//! The end of a running stage, predicted from its progress so far.

use serde::{Deserialize, Serialize};

use super::stored::stored_as_list;

// The constants were tuned with `bench/remaining_time`.

/// Exponent of the weights in [`Pace::recent`]: about the last tenth of the working time counts.
const RECENCY: f64 = 8.0;
/// A time between two reports of more than this many typical ones is a stall.
const STALL_GAPS: f64 = 5.0;
/// Shortest time between two reports that can be a stall, in seconds.
const SHORTEST_STALL: f64 = 1.0;
/// Number of reports before stalls are recognized.
const REPORTS_BEFORE_STALLS: u32 = 4;
/// Number of typical times between reports after which the remaining time is unknown.
const UNKNOWN_GAPS: f64 = 8.0;
/// Shortest time since the last report after which the remaining time is unknown, in seconds.
const SHORTEST_UNKNOWN: f64 = 5.0;
/// Number of typical times between reports for which the prediction counts down without a report.
const COUNTDOWN_GAPS: f64 = 2.0;
/// Reports before a prediction, unless [`ENOUGH_DONE`] is done.
const ENOUGH_REPORTS: u32 = 3;
/// Fraction that suffices for a prediction.
const ENOUGH_DONE: f64 = 0.1;
/// Square of the t-statistic at which a drift of the rate counts by half.
const SIGNIFICANT_DRIFT: f64 = 3.0;
/// Number of stalls at which further ones are expected with a weight of a half.
const STALLS_THAT_RECUR: f64 = 3.0;
/// Largest absolute value of [`Pace::curve`].
const STEEPEST_CURVE: f64 = 1.4;

/// The progress of a stage so far, in a few numbers.
///
/// # The model
///
/// After the share `t` of the working time, the fraction `p` of the work is done. A *curve* `c` relates them:
///
/// - `c = 0`: `t = p`, steady work.
/// - `c > 0`: `t = p^e` with `e = exp(c)`, work that becomes slower.
/// - `c < 0`: `1 - t = (1 - p)^e` with `e = exp(-c)`, work that becomes faster.
///
/// The curve follows from the ratio of the recent rate to the average rate. It is believed as far as the
/// drift of the rate is significant compared to its noise. Working time excludes stalls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f32>")]
pub(super) struct Pace {
    /// The fraction at the first observation. Work that was done before it does not count.
    first: f64,
    /// The fraction at the last report.
    last: f64,
    /// Number of reports that increased the fraction.
    reports: u32,
    /// Seconds of work up to the last report, without stalls.
    worked: f64,
    /// Seconds since the last report.
    idle: f64,
    /// Seconds of stalls.
    stalled: f64,
    /// Number of stalls.
    stalls: u32,
    /// Typical seconds between two reports.
    gap: f64,
    /// The integral of the progress, weighted by `(s / worked)^RECENCY` at the working time `s`.
    recent: f64,
    /// Sum of the deviations of the times between reports from those at the average rate, in seconds. The
    /// weight of old ones decays.
    drift: f64,
    /// Sum of the squares of these deviations.
    noise: f64,
    /// The working time at which half of the work was done; 0 before.
    half_worked: f64,
    /// The total seconds that were predicted then; 0 before.
    half_predicted: f64,
}

stored_as_list!(Pace {
    first,
    last,
    reports,
    worked,
    idle,
    stalled,
    stalls,
    gap,
    recent,
    drift,
    noise,
    half_worked,
    half_predicted,
});

/// What earlier jobs say about a stage's progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    /// The curve that is expected without other evidence.
    pub(super) curve: f64,
    /// Variance of the logarithm of the duration that is predicted when half is done.
    pub(super) halfway_variance: f64,
}

/// A prediction of a stage's end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prediction {
    /// Seconds from now to the end of the stage.
    pub(super) remaining: f64,
    /// Variance of the logarithm of the stage's duration.
    pub(super) variance: f64,
}

impl Pace {
    /// A stage whose first observed fraction is `first`.
    pub(super) fn starting_at(first: f64) -> Self {
        Self {
            first,
            last: first,
            ..Self::default()
        }
    }

    /// Lets `seconds` pass.
    pub(super) fn wait(&mut self, seconds: f64) {
        self.idle += seconds;
    }

    /// Records that `fraction` is done now. Without effect if it is not above the last one.
    pub(super) fn report(&mut self, fraction: f64, prior: Prior) {
        let gain = fraction - self.last;
        if gain <= 0.0 {
            return;
        }
        let waited = std::mem::take(&mut self.idle);
        let gap = waited.min(self.longest_regular_gap());
        if waited > gap {
            self.stalled += waited - gap;
            self.stalls += 1;
        }
        let was_halfway = self.done() >= 0.5;
        let before = self.worked;
        self.worked += gap;
        if self.worked <= 0.0 {
            // Progress in no time says nothing about the rate.
            self.first += gain;
            self.last = fraction;
            return;
        }
        let share = before / self.worked;
        let done = self.last - self.first;
        if done > 0.0 {
            let deviation = gap - gain * before / done;
            self.drift = self.drift * share + deviation;
            self.noise = self.noise * share + deviation * deviation;
        }
        self.recent *= share.powf(RECENCY);
        self.recent += if share < 1.0 {
            // The gain was made evenly during the gap.
            gain * (1.0 - share.powf(RECENCY + 1.0)) / ((RECENCY + 1.0) * (1.0 - share))
        } else {
            gain
        };
        self.reports += 1;
        self.gap += (gap - self.gap) / f64::from(self.reports.min(20));
        self.last = fraction;
        if !was_halfway && self.done() >= 0.5 {
            let beyond = (self.done() - 0.5) * (1.0 - self.first) / gain;
            self.half_worked = self.worked - gap * beyond;
            let remaining = self.predict(prior).map(|it| it.remaining);
            self.half_predicted = remaining.map_or(0.0, |seconds| self.elapsed() + seconds);
        }
    }

    fn longest_regular_gap(&self) -> f64 {
        if self.reports < REPORTS_BEFORE_STALLS {
            f64::INFINITY
        } else {
            (STALL_GAPS * self.gap).max(SHORTEST_STALL)
        }
    }

    /// Seconds since the stage's first observation.
    pub(super) fn elapsed(&self) -> f64 {
        self.worked + self.stalled + self.idle
    }

    /// Whether the stage was observed from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        self.first <= 0.0
    }

    /// The fraction that was done since the first observation, of all work since then.
    fn done(&self) -> f64 {
        if self.first >= 1.0 {
            return 1.0;
        }
        (self.last - self.first) / (1.0 - self.first)
    }

    /// Whether the stage makes no progress for much longer than usual.
    fn has_stalled(&self) -> bool {
        self.reports >= REPORTS_BEFORE_STALLS
            && self.idle > (UNKNOWN_GAPS * self.gap).max(SHORTEST_UNKNOWN)
    }

    /// The end of the stage. None before there is enough progress, and while the stage has stalled.
    pub(super) fn predict(&self, prior: Prior) -> Option<Prediction> {
        let done = self.done();
        if done >= 1.0 {
            return Some(Prediction {
                remaining: 0.0,
                variance: 0.0,
            });
        }
        let is_enough = self.reports >= ENOUGH_REPORTS || done >= ENOUGH_DONE;
        if !is_enough || self.worked <= 0.0 || self.has_stalled() {
            return None;
        }
        let curve = prior.curve + self.significance() * (self.curve() - prior.curve);
        let rest = remaining_share(done, curve);
        // The mean of an uncertain remaining time is above its median.
        let rate_variance = 1.5 * self.noise / (self.worked * self.worked);
        let median = (-0.25 * (rate_variance / (1.0 - done)).min(1.0)).exp();
        let work = self.worked * rest / (1.0 - rest) * median;
        let stalls = f64::from(self.stalls);
        let stalls =
            self.stalled * (1.0 - done) / done * median * stalls / (stalls + STALLS_THAT_RECUR);
        let waited = self.idle.min(COUNTDOWN_GAPS * self.gap);
        Some(Prediction {
            remaining: (work + stalls - waited).max(0.0),
            variance: prior.halfway_variance * (1.0 - done) / done.max(0.02),
        })
    }

    /// How far a drift of the rate is believed: 0 to 1.
    fn significance(&self) -> f64 {
        if self.noise <= 0.0 {
            return 0.0;
        }
        let squared_statistic = self.drift * self.drift / self.noise;
        squared_statistic / (squared_statistic + SIGNIFICANT_DRIFT)
    }

    /// The curve that the recent rate shows.
    fn curve(&self) -> f64 {
        let done = self.done();
        if done <= 0.0 || done >= 1.0 {
            return 0.0;
        }
        let recent = self.recent / (1.0 - self.first);
        let ratio = recent * (RECENCY + 1.0) / done;
        let curve = if ratio < 1.0 {
            // The weighted rate of `p = t^a` is `a * (RECENCY + 1) / (a + RECENCY)` times the average.
            let a = ratio.max(0.05) * RECENCY / (RECENCY + 1.0 - ratio);
            -a.ln()
        } else {
            -exponent_of_acceleration(done, ratio).ln()
        };
        curve.clamp(-STEEPEST_CURVE, STEEPEST_CURVE)
    }

    /// The curve of a stage that has ended. None if the half of its work was not seen.
    pub(super) fn whole_curve(&self) -> Option<f64> {
        if self.half_worked <= 0.0 || self.half_worked >= self.worked {
            return None;
        }
        let share = self.half_worked / self.worked;
        let exponent = |share: f64| share.ln() / 0.5_f64.ln();
        let curve = if share < 0.5 {
            exponent(share).ln()
        } else {
            -exponent(1.0 - share).ln()
        };
        Some(curve.clamp(-STEEPEST_CURVE, STEEPEST_CURVE))
    }

    /// The logarithm of the duration that was predicted when half of the work was done, minus that of the
    /// real one.
    pub(super) fn halfway_error(&self) -> Option<f64> {
        let real = self.elapsed();
        (self.half_predicted > 0.0 && real > 0.0).then(|| (self.half_predicted / real).ln())
    }
}

/// The share of the working time that remains when `done` of the work is done.
fn remaining_share(done: f64, curve: f64) -> f64 {
    if curve > 0.0 {
        1.0 - done.powf(curve.exp())
    } else {
        (1.0 - done).powf((-curve).exp())
    }
}

/// The exponent `e` of `1 - t = (1 - p)^e` whose rate at `p = done` is `ratio` times the average up to there.
fn exponent_of_acceleration(done: f64, ratio: f64) -> f64 {
    let (mut low, mut high) = (1.0, STEEPEST_CURVE.exp());
    for _ in 0..20 {
        let exponent = f64::midpoint(low, high);
        let rest = (1.0 - done).powf(exponent);
        let cost = exponent * rest / (1.0 - done);
        let average_cost = (1.0 - rest) / done;
        if average_cost < ratio * cost {
            low = exponent;
        } else {
            high = exponent;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Prior = Prior {
        curve: 0.0,
        halfway_variance: 0.01,
    };

    /// A stage of 100 seconds, up to the percentage `until`, whose share `share(p)` of the time has passed
    /// when `p` is done.
    fn stage(until: u32, share: impl Fn(f64) -> f64) -> Pace {
        let mut pace = Pace::starting_at(0.0);
        let mut last = 0.0;
        for percent in 1..=until {
            let done = f64::from(percent) / 100.0;
            let time = 100.0 * share(done);
            pace.wait(time - last);
            pace.report(done, UNKNOWN);
            last = time;
        }
        pace
    }

    fn remaining(pace: &Pace) -> f64 {
        pace.predict(UNKNOWN).expect("a prediction").remaining
    }

    #[test]
    fn steady_stage_is_predicted_exactly() {
        let seconds = remaining(&stage(25, |done| done));
        assert!((seconds - 75.0).abs() < 0.01, "{seconds}");
    }

    #[test]
    fn slowing_stage_is_predicted_better_than_by_its_average() {
        let pace = stage(50, |done| done.powi(3));
        // 12.5 s for half of the work; linear extrapolation predicts 12.5 s more.
        let seconds = remaining(&pace);
        assert!((40.0..95.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn accelerating_stage_is_predicted_better_than_by_its_average() {
        let pace = stage(50, |done| 1.0 - (1.0 - done).powi(3));
        // 87.5 s for half of the work.
        let seconds = remaining(&pace);
        assert!((10.0..40.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn curve_of_a_whole_stage_is_found_at_its_half() {
        for curve in [-1.0_f64, -0.3, 0.3, 1.0] {
            let pace = stage(100, |done| 1.0 - remaining_share(done, curve));
            let found = pace.whole_curve().expect("a curve");
            assert!((found - curve).abs() < 0.05, "{found} instead of {curve}");
        }
    }

    #[test]
    fn single_stall_does_not_change_the_rate() {
        let pace = stage(50, |done| done + if done >= 0.3 { 0.4 } else { 0.0 });
        let seconds = remaining(&pace);
        // 50 s of work; a quarter of the stall is expected again.
        assert!((50.0..65.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn stalled_stage_has_no_prediction_until_it_goes_on() {
        let mut pace = stage(50, |done| done);
        pace.wait(4.0);
        assert!(pace.predict(UNKNOWN).is_some());
        pace.wait(5.0);
        assert_eq!(pace.predict(UNKNOWN), None);
        pace.report(0.51, UNKNOWN);
        assert!(pace.predict(UNKNOWN).is_some());
    }

    #[test]
    fn missing_positions_of_a_stored_pace_are_zero() {
        let pace = stage(60, |done| done);
        let list: Vec<f64> = Vec::<f32>::from(pace.clone())
            .into_iter()
            .map(f64::from)
            .collect();
        let read = Pace::from(list.clone());
        assert!((remaining(&read) - remaining(&pace)).abs() < 0.01);
        let older = Pace::from(list[..11].to_vec());
        assert_eq!(older.half_worked.to_bits(), 0);
        assert!((remaining(&older) - remaining(&pace)).abs() < 0.01);
    }
}
