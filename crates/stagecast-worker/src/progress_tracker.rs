//! The progress of a job, computed from the updates of its external worker.

use std::{collections::BTreeSet, time::Duration};

use stage_pipeline::Estimate;
use stagecast_contract::worker::WorkerProgress;
use stagecast_core::{models::Job, stores::ProgressPoint};

/// The progress of a job: of its current stage and overall.
#[derive(Clone, Debug)]
pub(crate) struct ProgressTracker {
    /// Number of stages that the claim declares; at least 1.
    stages: usize,
    /// The declared stages that have finished.
    finished: BTreeSet<String>,
    stage: Option<String>,
    progress: u8,
    overall: u8,
    estimate: Estimate,
}

impl ProgressTracker {
    /// Starts from the progress in the job's item.
    pub(crate) fn of(job: &Job) -> Self {
        let stages = job.stages.iter();
        // A new claim restarts the running stage; its worker reports where it continues.
        let is_new_attempt = job.attempt_epoch != job.epoch;
        let since_claim = |percent| if is_new_attempt { 0 } else { percent };
        Self {
            stages: job.stages.len().max(1),
            finished: stages
                .filter(|stage| job.checkpoints.contains_key(*stage))
                .cloned()
                .collect(),
            stage: job.stage.clone(),
            progress: since_claim(job.progress),
            overall: since_claim(job.overall_progress),
            estimate: job.estimate.clone().unwrap_or_default(),
        }
    }

    /// The running stage. None before the first stage and between two stages.
    pub(crate) fn running(&self) -> Option<&str> {
        let stage = self.stage.as_deref();
        stage.filter(|stage| !self.finished.contains(*stage))
    }

    /// The samples that the remaining time is estimated from.
    pub(crate) fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// Applies an update that was received at `now`, in milliseconds since the Unix epoch. Percentages
    /// never decrease within an attempt.
    pub(crate) fn advance(&mut self, update: &WorkerProgress, now: u64) -> ProgressPoint {
        self.progress = if self.stage.as_deref() == Some(update.stage.as_str()) {
            self.progress.max(update.progress)
        } else {
            update.progress
        };
        self.stage = Some(update.stage.clone());
        let fraction = match update.overall_progress {
            Some(overall) => f64::from(overall) / 100.0,
            None => self.fraction(f64::from(self.progress) / 100.0),
        };
        self.overall = self.overall.max(percent(fraction));
        let now = Duration::from_millis(now);
        self.estimate.observe(now, fraction);
        ProgressPoint {
            stage: update.stage.clone(),
            progress: self.progress,
            overall_progress: self.overall,
            message: update.message.clone(),
            estimated_seconds_remaining: update
                .estimated_seconds_remaining
                .or_else(|| self.estimate.remaining_seconds(now)),
        }
    }

    /// Marks a stage as finished. Returns the overall percentage.
    pub(crate) fn finish(&mut self, stage: &str) -> u8 {
        self.finished.insert(stage.to_owned());
        self.stage = Some(stage.to_owned());
        self.progress = 100;
        self.overall = self.overall.max(percent(self.fraction(0.0)));
        self.overall
    }

    /// The finished fraction of the job, if `of_stage` is the finished fraction of the running stage. All
    /// stages have the same weight.
    #[expect(clippy::cast_precision_loss, reason = "there are at most 50 stages")]
    fn fraction(&self, of_stage: f64) -> f64 {
        ((self.finished.len() as f64 + of_stage) / self.stages as f64).min(1.0)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of at most 1"
)]
fn percent(fraction: f64) -> u8 {
    (fraction * 100.0).floor() as u8
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId},
        timestamp::Timestamp,
    };

    use super::*;

    fn tracker() -> ProgressTracker {
        ProgressTracker {
            stages: 2,
            finished: BTreeSet::new(),
            stage: None,
            progress: 0,
            overall: 0,
            estimate: Estimate::default(),
        }
    }

    fn at(stage: &str, progress: u8) -> WorkerProgress {
        WorkerProgress {
            stage: stage.to_owned(),
            progress,
            message: String::new(),
            overall_progress: None,
            estimated_seconds_remaining: None,
        }
    }

    #[test]
    fn stages_have_equal_weights_and_progress_never_decreases() {
        let mut tracker = tracker();
        assert_eq!(tracker.advance(&at("a", 50), 0).overall_progress, 25);
        let back = tracker.advance(&at("a", 40), 0);
        assert_eq!((back.progress, back.overall_progress), (50, 25));
        assert_eq!(tracker.running(), Some("a"));
        assert_eq!(tracker.finish("a"), 50);
        assert_eq!(tracker.running(), None);
        let next = tracker.advance(&at("b", 0), 0);
        assert_eq!((next.progress, next.overall_progress), (0, 50));
        assert_eq!(tracker.finish("b"), 100);
    }

    #[test]
    fn new_claim_may_restart_its_stage_at_a_lower_percentage() {
        let now = Timestamp::from_epoch_seconds(0);
        let mut job = Job::queued(
            JobId::new(now, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(now, [2; 8]),
            "req_1_a".to_owned(),
            "text/plain".to_owned(),
            now,
        );
        job.stages = vec!["a".to_owned(), "b".to_owned()];
        job.stage = Some("b".to_owned());
        job.checkpoints.insert("a".to_owned(), 1);
        (job.progress, job.overall_progress) = (99, 99);
        (job.epoch, job.attempt, job.attempt_epoch) = (1, 1, 1);
        let point = ProgressTracker::of(&job).advance(&at("b", 10), 0);
        assert_eq!((point.progress, point.overall_progress), (99, 99));
        job.epoch = 2;
        let point = ProgressTracker::of(&job).advance(&at("b", 10), 0);
        assert_eq!((point.progress, point.overall_progress), (10, 55));
    }

    #[test]
    fn reported_overall_progress_and_remaining_time_take_precedence() {
        let mut tracker = tracker();
        let mut update = at("a", 10);
        update.overall_progress = Some(70);
        update.estimated_seconds_remaining = Some(3);
        let point = tracker.advance(&update, 0);
        assert_eq!(point.overall_progress, 70);
        assert_eq!(point.estimated_seconds_remaining, Some(3));
        assert_eq!(tracker.advance(&at("a", 20), 0).overall_progress, 70);
    }

    #[test]
    fn remaining_time_is_estimated_from_earlier_updates() {
        let mut tracker = tracker();
        let unknown = tracker.advance(&at("a", 0), 1_000);
        assert_eq!(unknown.estimated_seconds_remaining, None);
        let known = tracker.advance(&at("a", 50), 6_000);
        assert_eq!(known.estimated_seconds_remaining, Some(15));
    }
}
