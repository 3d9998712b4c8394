//! Estimates the remaining time from progress, and from the durations of earlier jobs.

mod history;
mod pace;
mod shown;
mod stored;

use std::time::Duration;

pub use history::{StageDuration, StageHistory};
use pace::Pace;
use serde::{Deserialize, Serialize};
use shown::Shown;
use stored::stored_as_list;

/// Shortest time of observation in seconds before an estimate is made without history.
const LEAST_ELAPSED: f64 = 0.5;
/// Longest remaining time that is shown, in seconds. An estimate of more than a day is not useful.
const LONGEST_REMAINING: f64 = 86_400.0;
/// How far later stages follow when earlier ones took longer than in their history: 0 is not at all, 1 is
/// by the same factor.
const SCALE_OF_LATER_STAGES: f64 = 0.7;
/// Number of standard deviations above its typical duration at which a stage's history says nothing any
/// more.
const OVERDUE_DEVIATIONS: f64 = 3.0;
/// Least remaining time by history, in standard deviations of the duration.
const OVERDUE_REMAINING: f64 = 0.3;

/// Estimates the remaining time of a job.
///
/// The estimate combines the progress of the running stage, the durations of the job's earlier stages, and
/// those of the same stages in earlier jobs. Without [`Self::start_stage`], the job is one stage without
/// history.
///
/// It can be serialized, in about 200 bytes: a service whose processes take turns stores it between two
/// observations. The forms that earlier versions stored can be read.
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
#[serde(default)]
pub struct Estimate {
    /// The elapsed milliseconds at the last observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    /// The progress of the running stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outlook: Option<StageOutlook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<Shown>,
    #[serde(skip_serializing_if = "FinishedStages::is_none")]
    finished: FinishedStages,
    /// Whether the running stage does not know how much work there is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    indeterminate: bool,
}

/// The stages that have finished, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f32>")]
struct FinishedStages {
    seconds: f64,
    /// The fraction of the job.
    fraction: f64,
    /// Seconds of the stages that have a history.
    compared_seconds: f64,
    /// Seconds of these stages by their history.
    typical_seconds: f64,
}

stored_as_list!(FinishedStages {
    seconds,
    fraction,
    compared_seconds,
    typical_seconds,
});

impl FinishedStages {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// How long this job takes compared to earlier ones.
    fn scale(&self) -> f64 {
        if self.typical_seconds <= 0.0 {
            return 1.0;
        }
        let factor = (self.compared_seconds / self.typical_seconds).clamp(0.1, 10.0);
        factor.powf(SCALE_OF_LATER_STAGES)
    }
}

/// What is known about a stage when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageOutlook {
    /// The fraction of the job that is done at the stage's start, 0 to 1.
    #[serde(rename = "from", with = "stored")]
    pub start: f64,
    /// The fraction of the job that is done at the stage's end; above `start`, at most 1.
    #[serde(rename = "to", with = "stored")]
    pub end: f64,
    /// The stage in earlier jobs.
    #[serde(default)]
    pub history: StageHistory,
    /// Typical seconds of those later stages that have a history.
    #[serde(rename = "later", default, with = "stored")]
    pub later_seconds: f64,
    /// The fraction of the job in later stages without history.
    #[serde(rename = "unknown", default, with = "stored")]
    pub later_without_history: f64,
}

impl Default for StageOutlook {
    /// The only stage of a job, without history.
    fn default() -> Self {
        Self {
            start: 0.0,
            end: 1.0,
            history: StageHistory::default(),
            later_seconds: 0.0,
            later_without_history: 0.0,
        }
    }
}

impl StageOutlook {
    /// The outlook of the stage at `index`. `weights` are those of all stages; a stage beyond the end of
    /// `histories` has none.
    pub fn of(weights: &[f64], histories: &[StageHistory], index: usize) -> Self {
        let all: f64 = weights.iter().sum();
        let fraction = |weights: &[f64]| weights.iter().sum::<f64>() / all;
        let mut outlook = Self {
            start: fraction(&weights[..index]),
            end: fraction(&weights[..=index]),
            history: histories.get(index).copied().unwrap_or_default(),
            ..Self::default()
        };
        for (index, weight) in weights.iter().enumerate().skip(index + 1) {
            let history = histories.get(index);
            match history.and_then(StageHistory::typical_seconds) {
                Some(seconds) => outlook.later_seconds += seconds,
                None => outlook.later_without_history += weight / all,
            }
        }
        outlook
    }
}

impl Estimate {
    /// Starts a stage at `elapsed`, which is measured from any constant point in time. With a history,
    /// there is an estimate from now on.
    pub fn start_stage(&mut self, elapsed: Duration, outlook: StageOutlook) {
        let since = self.advance_clock(elapsed);
        self.pace = Some(Pace::starting_at(0.0));
        self.outlook = Some(outlook);
        self.indeterminate = false;
        self.update(since);
    }

    /// Ends the stage at `elapsed`. Returns how long it took, for its history. None if the stage was not
    /// observed from its beginning.
    pub fn finish_stage(&mut self, elapsed: Duration) -> Option<StageDuration> {
        self.advance_clock(elapsed);
        let outlook = self.outlook.take()?;
        let pace = self.pace.take()?;
        let seconds = pace.elapsed();
        self.finished.seconds += seconds;
        self.finished.fraction += outlook.end - outlook.start;
        if let Some(typical) = outlook.history.typical_seconds() {
            self.finished.compared_seconds += seconds;
            self.finished.typical_seconds += typical;
        }
        pace.is_whole().then(|| StageDuration {
            seconds,
            curve: pace.whole_curve(),
            halfway_error: pace.halfway_error(),
        })
    }

    /// Whether [`Self::start_stage`] was called: otherwise, the job is one stage.
    pub fn has_stages(&self) -> bool {
        self.outlook.is_some() || !self.finished.is_none()
    }

    /// Records that `fraction` of the job, from 0 to 1, is done at `elapsed`. A fraction that is not above
    /// the last one only lets the time pass.
    pub fn observe(&mut self, elapsed: Duration, fraction: f64) {
        let since = self.advance_clock(elapsed);
        self.indeterminate = false;
        let outlook = self.outlook.unwrap_or_default();
        let fraction = (fraction - outlook.start) / (outlook.end - outlook.start);
        let fraction = fraction.clamp(0.0, 1.0);
        match &mut self.pace {
            Some(pace) => pace.report(fraction, outlook.history.prior()),
            None => self.pace = Some(Pace::starting_at(fraction)),
        }
        self.update(since);
    }

    /// Records that the stage works at `elapsed`, but does not know how much work there is. Only its
    /// history gives an estimate.
    pub fn observe_indeterminate(&mut self, elapsed: Duration) {
        let since = self.advance_clock(elapsed);
        self.indeterminate = true;
        self.update(since);
    }

    /// Returns the seconds since the last observation.
    fn advance_clock(&mut self, elapsed: Duration) -> f64 {
        let now = millis(elapsed);
        let before = self.at.unwrap_or(now);
        self.at = Some(before.max(now));
        let since = seconds_between(before, now);
        if let Some(pace) = &mut self.pace {
            pace.wait(since);
        }
        if let Some(shown) = &mut self.shown {
            shown.count_down(since);
        }
        since
    }

    fn update(&mut self, since: f64) {
        match (self.estimated(), &mut self.shown) {
            (Some(seconds), Some(shown)) => shown.follow(seconds, since),
            (Some(seconds), None) => self.shown = Some(Shown(seconds)),
            (None, _) => self.shown = None,
        }
    }

    /// The remaining seconds of the job, without damping.
    fn estimated(&self) -> Option<f64> {
        let pace = self.pace.as_ref()?;
        let outlook = self.outlook.unwrap_or_default();
        let elapsed = pace.elapsed();
        let scale = self.finished.scale();
        let by_progress = pace
            .predict(outlook.history.prior())
            .filter(|_| !self.indeterminate && elapsed >= LEAST_ELAPSED);
        let typical = outlook.history.typical_seconds();
        let remaining = match (by_progress, typical.map(|seconds| seconds * scale)) {
            (None, None) => return None,
            (Some(by_progress), None) => by_progress.remaining,
            (by_progress, Some(typical)) => {
                let variance = outlook.history.predictive_variance();
                let spread = variance.sqrt();
                let by_history = (typical - elapsed).max(OVERDUE_REMAINING * spread * typical);
                match by_progress {
                    // The more certain of the two counts more.
                    Some(by_progress) => {
                        let weight = variance / (variance + by_progress.variance);
                        by_history + weight * (by_progress.remaining - by_history)
                    }
                    None if elapsed > typical * (OVERDUE_DEVIATIONS * spread).exp() => return None,
                    None => by_history,
                }
            }
        };
        let mut all = remaining + outlook.later_seconds * scale;
        if outlook.later_without_history > 0.0 {
            // At the average pace of the stages up to this one.
            let fraction = self.finished.fraction + outlook.end - outlook.start;
            let seconds = self.finished.seconds + elapsed + remaining;
            all += outlook.later_without_history * seconds / fraction;
        }
        Some(all)
    }

    /// The remaining seconds at `elapsed`, rounded up. It counts down between observations, and follows
    /// them without jumps. None while nothing is known: without history, before two observations with
    /// progress and half a second of time; while the stage makes no progress for much longer than usual;
    /// and if the estimate is over a day.
    pub fn remaining_seconds(&self, elapsed: Duration) -> Option<u64> {
        let since = seconds_between(self.at?, millis(elapsed));
        let seconds = self.shown?.after(since).ceil();
        (seconds <= LONGEST_REMAINING).then(|| {
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
        assert_eq!(serde_json::to_string(&read).expect("JSON"), stored);
        assert_eq!(read.remaining_seconds(seconds(6)), Some(4));
    }

    #[test]
    fn estimate_of_an_earlier_version_starts_again() {
        let stored = r#"{"first":[0,0.0],"last":[5000,0.5],"rate":0.1}"#;
        let mut estimate: Estimate = serde_json::from_str(stored).expect("an estimate");
        assert_eq!(estimate.remaining_seconds(seconds(6)), None);
        estimate.observe(seconds(6), 0.5);
        estimate.observe(seconds(8), 0.75);
        assert_eq!(estimate.remaining_seconds(seconds(8)), Some(2));
    }

    #[test]
    fn stored_estimate_is_small() {
        let mut history = StageHistory::default();
        for seconds in [30.0, 41.7, 37.3] {
            history.record(StageDuration::of_seconds(seconds));
        }
        let outlook = StageOutlook::of(&[1.0, 1.0, 1.0], &[history; 3], 1);
        let mut estimate = Estimate::default();
        estimate.start_stage(Duration::from_millis(1_705_314_615_123), outlook);
        for step in 1..=7_u32 {
            let at = Duration::from_millis(1_705_314_615_123 + u64::from(step) * 1234);
            estimate.observe(at, (1.0 + f64::from(step) / 7.3) / 3.0);
        }
        let stored = serde_json::to_string(&estimate).expect("JSON");
        assert!(stored.len() < 330, "{} bytes: {stored}", stored.len());
    }

    /// Two stages with these histories.
    fn outlook(histories: &[StageHistory], index: usize) -> StageOutlook {
        StageOutlook::of(&[1.0, 1.0], histories, index)
    }

    fn history_of(seconds: f64) -> StageHistory {
        let mut history = StageHistory::default();
        for _ in 0..5 {
            history.record(StageDuration::of_seconds(seconds));
        }
        history
    }

    #[test]
    fn history_gives_an_estimate_from_the_start() {
        let histories = [history_of(100.0), history_of(300.0)];
        let mut estimate = Estimate::default();
        estimate.start_stage(seconds(0), outlook(&histories, 0));
        assert_eq!(estimate.remaining_seconds(seconds(0)), Some(400));
        assert_eq!(estimate.remaining_seconds(seconds(10)), Some(390));
        // Without a report, also for work of unknown size.
        estimate.observe_indeterminate(seconds(20));
        assert_eq!(estimate.remaining_seconds(seconds(20)), Some(380));
    }

    #[test]
    fn stage_that_is_long_overdue_has_no_estimate() {
        let mut estimate = Estimate::default();
        estimate.start_stage(seconds(0), StageOutlook::of(&[1.0], &[history_of(10.0)], 0));
        estimate.observe(seconds(11), 0.0);
        assert!(estimate.remaining_seconds(seconds(11)).is_some());
        estimate.observe(seconds(100), 0.0);
        assert_eq!(estimate.remaining_seconds(seconds(100)), None);
    }

    #[test]
    fn later_stages_without_history_take_the_average_pace() {
        let mut estimate = Estimate::default();
        estimate.start_stage(seconds(0), outlook(&[], 0));
        for second in 1..=5_u8 {
            estimate.observe(seconds(second.into()), f64::from(second) / 20.0);
        }
        // 5 s of this stage, and 10 s of the next one.
        assert_eq!(estimate.remaining_seconds(seconds(5)), Some(15));
        estimate.observe_indeterminate(seconds(6));
        assert_eq!(estimate.remaining_seconds(seconds(6)), None);
    }

    #[test]
    fn slow_stage_scales_the_history_of_later_ones() {
        let histories = [history_of(10.0), history_of(10.0)];
        let mut estimate = Estimate::default();
        estimate.start_stage(seconds(0), outlook(&histories, 0));
        let duration = estimate.finish_stage(seconds(40)).expect("a duration");
        assert!((duration.seconds - 40.0).abs() < 0.001);
        estimate.start_stage(seconds(40), outlook(&histories, 1));
        for second in 41..=45 {
            estimate.observe_indeterminate(seconds(second));
        }
        // Not 5 s, but not four times 10 s either.
        let remaining = estimate.remaining_seconds(seconds(45)).expect("known");
        assert!((20..=25).contains(&remaining), "{remaining}");
    }

    #[test]
    fn shown_time_counts_down_between_two_stages() {
        let histories = [history_of(100.0), history_of(300.0)];
        let mut estimate = Estimate::default();
        estimate.start_stage(seconds(0), outlook(&histories, 0));
        estimate.finish_stage(seconds(100));
        estimate.start_stage(seconds(100), outlook(&histories, 1));
        let remaining = estimate.remaining_seconds(seconds(100));
        assert!(remaining.is_some_and(|remaining| (300..=301).contains(&remaining)));
    }

    #[test]
    fn end_of_a_stage_that_was_not_started_is_ignored() {
        let mut estimate = Estimate::default();
        estimate.observe(seconds(0), 0.0);
        estimate.observe(seconds(5), 0.25);
        assert_eq!(estimate.finish_stage(seconds(5)), None);
        assert!(!estimate.has_stages());
        estimate.observe(seconds(10), 0.5);
        assert_eq!(estimate.remaining_seconds(seconds(10)), Some(10));
    }
}
