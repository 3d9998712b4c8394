//! Runs an estimator over a trace, and scores what it shows.

use crate::{estimators::Estimator, traces::Trace};

/// Seconds between two updates without progress, as in the service.
const HEARTBEAT_SECONDS: f64 = 10.0;
/// Seconds before the end that are not scored: whole seconds are shown.
const UNSCORED_SECONDS: f64 = 1.0;

/// What an estimator shows at each second of a job.
pub(crate) struct Shown {
    /// The true remaining seconds, and what is shown.
    pub(crate) seconds: Vec<(f64, Option<f64>)>,
}

/// The values that are shown at each second.
pub(crate) fn show(trace: &Trace, estimator: &mut dyn Estimator) -> Shown {
    let all: f64 = trace.stages.iter().map(|stage| stage.weight).sum();
    let end = trace.seconds();
    let mut shown = Vec::new();
    let mut clock = 1.0;
    let (mut start, mut done) = (0.0, 0.0);
    for (index, stage) in trace.stages.iter().enumerate() {
        estimator.start_stage(start, index);
        let mut fraction = done / all;
        let mut last = start;
        for &(time, percent) in &stage.reports {
            let time = start + time;
            let mut look = |until: f64, estimator: &dyn Estimator| {
                while clock < until {
                    shown.push((end - clock, estimator.remaining(clock)));
                    clock += 1.0;
                }
            };
            while time - last > HEARTBEAT_SECONDS {
                last += HEARTBEAT_SECONDS;
                look(last, estimator);
                estimator.observe(last, fraction);
            }
            look(time, estimator);
            fraction = (done + stage.weight * f64::from(percent) / 100.0) / all;
            estimator.observe(time, fraction);
            last = time;
        }
        start += stage.seconds;
        done += stage.weight;
        estimator.finish_stage(start);
    }
    shown.retain(|(remaining, _)| *remaining > UNSCORED_SECONDS);
    Shown { seconds: shown }
}

/// The quality of an estimator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    /// Mean absolute error as a share of the true remaining time.
    pub(crate) error: f64,
    /// Share of the seconds at which the value differs from the one a second before, minus that second, by
    /// over 20 % and over a second.
    pub(crate) jumps: f64,
    /// Share of the seconds at which a value is shown.
    pub(crate) shown: f64,
}

impl Shown {
    /// The score. The error is that of the seconds at which `counts` holds.
    pub(crate) fn score(&self, counts: impl Fn(usize) -> bool) -> Score {
        let values = || self.seconds.iter().enumerate();
        let errors: Vec<f64> = values()
            .filter(|(index, _)| counts(*index))
            .filter_map(|(_, (truth, shown))| Some(((*shown)? - truth).abs() / truth))
            .collect();
        let pairs = self
            .seconds
            .windows(2)
            .filter_map(|pair| Some((pair[0].1?, pair[1].1?)));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let is_jump = |(before, after): &&(f64, f64)| {
            let difference = (after - (before - 1.0).max(0.0)).abs();
            difference > 0.2 * before && difference > 1.0
        };
        let jumps = pairs.iter().filter(is_jump).count();
        let known = values().filter(|(_, (_, shown))| shown.is_some()).count();
        Score {
            error: share(errors.iter().sum(), errors.len()),
            jumps: share(number(jumps), pairs.len()),
            shown: share(number(known), self.seconds.len()),
        }
    }
}

fn share(sum: f64, of: usize) -> f64 {
    if of == 0 { 0.0 } else { sum / number(of) }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) const fn number(count: usize) -> f64 {
    count as f64
}

/// The mean of scores.
pub(crate) fn mean(scores: impl Iterator<Item = Score>) -> Score {
    let scores: Vec<Score> = scores.collect();
    let of = |value: fn(&Score) -> f64| share(scores.iter().map(value).sum(), scores.len());
    Score {
        error: of(|score| score.error),
        jumps: of(|score| score.jumps),
        shown: of(|score| score.shown),
    }
}
