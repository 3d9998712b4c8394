//! The estimators that are compared, behind one interface.

use std::time::Duration;

use stage_pipeline::{Estimate, StageHistory, StageOutlook};

use crate::traces::Trace;

/// Estimates the remaining time of a job.
pub(crate) trait Estimator {
    /// A stage starts. Only an estimator that knows stages uses it.
    fn start_stage(&mut self, _time: f64, _index: usize) {}
    /// A stage ends.
    fn finish_stage(&mut self, _time: f64) {}
    /// `fraction` of the job is done at `time`, in seconds. Also called without progress, as a heartbeat.
    fn observe(&mut self, time: f64, fraction: f64);
    /// The remaining seconds that are shown at `time`; none if unknown.
    fn remaining(&self, time: f64) -> Option<f64>;
}

/// The time so far, divided by the fraction so far.
#[derive(Default)]
pub(crate) struct Linear {
    fraction: f64,
}

impl Estimator for Linear {
    fn observe(&mut self, _time: f64, fraction: f64) {
        self.fraction = fraction;
    }

    fn remaining(&self, time: f64) -> Option<f64> {
        (self.fraction > 0.0).then(|| (time * (1.0 - self.fraction) / self.fraction).ceil())
    }
}

/// The estimate of `tqdm` 4.67 with its default `smoothing` of 0.3: the exponential moving averages of
/// progress and of time between updates with progress, both corrected for their start.
pub(crate) struct Tqdm {
    average_progress: Average,
    average_time: Average,
    last: (f64, f64),
}

#[derive(Default)]
struct Average {
    last: f64,
    calls: i32,
}

impl Average {
    const SMOOTHING: f64 = 0.3;

    fn add(&mut self, value: f64) {
        self.last = Self::SMOOTHING * value + (1.0 - Self::SMOOTHING) * self.last;
        self.calls += 1;
    }

    fn value(&self) -> f64 {
        self.last / (1.0 - (1.0 - Self::SMOOTHING).powi(self.calls))
    }
}

impl Default for Tqdm {
    fn default() -> Self {
        Self {
            average_progress: Average::default(),
            average_time: Average::default(),
            last: (0.0, 0.0),
        }
    }
}

impl Estimator for Tqdm {
    fn observe(&mut self, time: f64, fraction: f64) {
        let (progress, seconds) = (fraction - self.last.1, time - self.last.0);
        if progress > 0.0 && seconds > 0.0 {
            self.average_progress.add(progress);
            self.average_time.add(seconds);
            self.last = (time, fraction);
        }
    }

    fn remaining(&self, _time: f64) -> Option<f64> {
        (self.average_progress.calls > 0).then(|| {
            let rate = self.average_progress.value() / self.average_time.value();
            ((1.0 - self.last.1) / rate).ceil()
        })
    }
}

/// [`Estimate`], as a run uses it.
pub(crate) struct Ours {
    estimate: Estimate,
    weights: Vec<f64>,
    histories: Vec<StageHistory>,
}

impl Ours {
    /// The estimator of a job like `trace`, with the history of its stages.
    pub(crate) fn new(trace: &Trace, histories: Vec<StageHistory>) -> Self {
        let all: f64 = trace.stages.iter().map(|stage| stage.weight).sum();
        let weights = trace.stages.iter().map(|stage| stage.weight / all);
        Self {
            estimate: Estimate::default(),
            weights: weights.collect(),
            histories,
        }
    }

    pub(crate) fn into_histories(self) -> Vec<StageHistory> {
        self.histories
    }
}

impl Estimator for Ours {
    fn start_stage(&mut self, time: f64, index: usize) {
        let outlook = StageOutlook::of(&self.weights, &self.histories, index);
        self.estimate
            .start_stage(Duration::from_secs_f64(time), outlook);
    }

    fn finish_stage(&mut self, time: f64) {
        self.estimate.finish_stage(Duration::from_secs_f64(time));
    }

    fn observe(&mut self, time: f64, fraction: f64) {
        self.estimate
            .observe(Duration::from_secs_f64(time), fraction);
    }

    fn remaining(&self, time: f64) -> Option<f64> {
        let seconds = self
            .estimate
            .remaining_seconds(Duration::from_secs_f64(time))?;
        u32::try_from(seconds).ok().map(f64::from)
    }
}

/// The histories of the stages after the jobs of `earlier`.
pub(crate) fn learn<'a>(earlier: impl IntoIterator<Item = &'a Trace>) -> Vec<StageHistory> {
    let mut histories = Vec::new();
    for trace in earlier {
        histories.resize(trace.stages.len(), StageHistory::default());
        let mut estimator = Ours::new(trace, histories);
        let mut start = 0.0;
        let mut done = 0.0;
        for (index, stage) in trace.stages.iter().enumerate() {
            estimator.start_stage(start, index);
            for &(time, percent) in &stage.reports {
                let fraction = done + estimator.weights[index] * f64::from(percent) / 100.0;
                estimator.observe(start + time, fraction);
            }
            start += stage.seconds;
            done += estimator.weights[index];
            let end = Duration::from_secs_f64(start);
            if let Some(duration) = estimator.estimate.finish_stage(end) {
                estimator.histories[index].record(duration);
            }
        }
        histories = estimator.into_histories();
    }
    histories
}
