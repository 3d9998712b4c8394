//! How far a job is, from what its worker says.

use std::{collections::BTreeSet, time::Duration};

use contract::worker::WorkerProgress;
use handlers_core::{models::Job, progress::Estimate, stores::ProgressPoint};

/// How far a job is.
#[derive(Clone, Debug)]
pub(crate) struct ProgressTracker {
    /// The number of stages that the worker runs.
    stages: usize,
    /// Those of them that have finished.
    finished: BTreeSet<String>,
    stage: Option<String>,
    progress: u8,
    overall: u8,
    estimate: Estimate,
}

impl ProgressTracker {
    /// How far the job is as its item says.
    pub(crate) fn of(job: &Job) -> Self {
        let stages = job.stages.iter();
        // A new claim starts the stage that was running again: from where, its worker says.
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

    /// The stage that runs, if one does.
    pub(crate) fn running(&self) -> Option<&str> {
        let stage = self.stage.as_deref();
        stage.filter(|stage| !self.finished.contains(*stage))
    }

    /// What the remaining time is estimated from.
    pub(crate) fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// Goes on to where an update, made `now` milliseconds after 1970, says that the job is. No
    /// percentage goes back within an attempt.
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

    /// Notes that a stage has finished; answers with the percentage of the job.
    pub(crate) fn finish(&mut self, stage: &str) -> u8 {
        self.finished.insert(stage.to_owned());
        self.stage = Some(stage.to_owned());
        self.progress = 100;
        self.overall = self.overall.max(percent(self.fraction(0.0)));
        self.overall
    }

    /// The fraction of the job that is done when so much of another stage is.
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
    use contract::{
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
    fn stages_count_the_same_for_the_whole_and_nothing_goes_back() {
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
    fn new_claim_starts_its_stage_wherever_its_worker_is() {
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
    fn a_worker_that_knows_better_is_believed() {
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
    fn the_remaining_time_is_estimated_from_what_was_reported_when() {
        let mut tracker = tracker();
        let unknown = tracker.advance(&at("a", 0), 1_000);
        assert_eq!(unknown.estimated_seconds_remaining, None);
        let known = tracker.advance(&at("a", 50), 6_000);
        assert_eq!(known.estimated_seconds_remaining, Some(15));
    }
}
