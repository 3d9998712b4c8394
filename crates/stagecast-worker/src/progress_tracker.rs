//! The progress of a job, computed from the updates of its external worker.

use std::{collections::BTreeSet, time::Duration};

use stage_pipeline::{Estimate, StageDuration, StageOutlook};
use stagecast_contract::{messages::WorkAmount, worker::WorkerProgress};
use stagecast_core::{
    models::{Job, StageDurations},
    stores::ProgressPoint,
};

/// The progress of a job: of its current stage and overall.
#[derive(Clone, Debug)]
pub(crate) struct ProgressTracker {
    /// The stages that the claim declares. Empty if the worker names them as it goes.
    stages: Vec<String>,
    /// The stages that have finished, of those that the claim declares, if it does.
    finished: BTreeSet<String>,
    stage: Option<String>,
    /// The number of the attempt at `stage`, from 1.
    attempt: u32,
    progress: u8,
    overall: u8,
    /// What subscribers see beside the percentages.
    message: String,
    remaining_seconds: Option<u64>,
    work: WorkAmount,
    estimate: Estimate,
    /// Whether `estimate` knows the running stage.
    is_estimated: bool,
    /// When the last stage finished, in milliseconds since the Unix epoch; none before.
    finished_at: Option<u64>,
}

impl ProgressTracker {
    /// Starts from the progress in the job's item.
    pub(crate) fn of(job: &Job) -> Self {
        let is_counted = |stage: &&String| job.stages.is_empty() || job.stages.contains(*stage);
        let stage = job.stage.as_ref();
        // A new claim restarts the running stage; its worker reports where it continues. After a checkpoint, it
        // continues the same attempt.
        let is_continued = job.checkpoint_attempt == Some(job.attempt);
        let is_new_attempt = job.attempt_epoch != job.epoch && !is_continued;
        let since_claim = |percent| if is_new_attempt { 0 } else { percent };
        Self {
            stages: job.stages.clone(),
            finished: job.checkpoints.keys().filter(is_counted).cloned().collect(),
            stage: job.stage.clone(),
            attempt: stage.map_or(1, |stage| job.attempt_at(stage, job.epoch)),
            progress: since_claim(job.progress),
            overall: since_claim(job.overall_progress),
            message: job.message.clone(),
            remaining_seconds: job.estimated_seconds_remaining,
            work: job.work_amount.clone(),
            is_estimated: job.estimate.is_some(),
            estimate: job.estimate.clone().unwrap_or_default(),
            finished_at: job
                .stage
                .as_ref()
                .filter(|stage| job.checkpoints.contains_key(*stage))
                .and_then(|_| u64::try_from(job.updated_at.epoch_seconds()).ok())
                .map(|seconds| seconds * 1000),
        }
    }

    /// Whether `update` starts an attempt at a stage, for which [`Self::start_stage`] needs the history.
    pub(crate) fn is_start(&self, update: &WorkerProgress) -> bool {
        !self.is_estimated
            || self.stage.as_ref() != Some(&update.stage)
            || attempt_of(update) > self.attempt
    }

    /// Whether a checkpoint of `stage` starts it.
    pub(crate) fn is_started_by_checkpoint(&self, stage: &str) -> bool {
        self.stage.as_deref() != Some(stage)
    }

    /// Starts the estimate of a stage whose first checkpoint was received at `now`, before any progress.
    pub(crate) fn start_stage_at_checkpoint(
        &mut self,
        stage: &str,
        earlier: &StageDurations,
        now: u64,
    ) {
        let is_weighted = self.is_estimated && !self.estimate.has_stages();
        self.start(stage, is_weighted, earlier, now);
    }

    /// Starts the estimate of the stage of `update`, which was received at `now`, in milliseconds since the
    /// Unix epoch.
    pub(crate) fn start_stage(
        &mut self,
        update: &WorkerProgress,
        earlier: &StageDurations,
        now: u64,
    ) {
        self.start(
            &update.stage,
            update.overall_progress.is_some(),
            earlier,
            now,
        );
    }

    /// Starts the estimate of `stage`. `is_weighted`: the worker reports the overall progress.
    fn start(&mut self, stage: &str, is_weighted: bool, earlier: &StageDurations, now: u64) {
        self.is_estimated = true;
        if is_weighted {
            // The worker weights its stages in its own way: the job is estimated as a whole.
            if self.estimate.has_stages() {
                self.estimate = Estimate::default();
            }
            return;
        }
        // The stages that have finished, this one, then the others, as the worker may change their order.
        let is_later = |it: &&String| !self.finished.contains(*it) && **it != stage;
        let finished = self.finished.iter().filter(|it| **it != stage);
        let index = finished.clone().count();
        let order: Vec<&str> = finished
            .map(String::as_str)
            .chain([stage])
            .chain(self.stages.iter().filter(is_later).map(String::as_str))
            .collect();
        if self.names_stages() {
            // One more stage is assumed to follow, which takes as long as this one.
            self.estimate = Estimate::default();
        }
        let weights = vec![1.0; order.len() + usize::from(self.names_stages())];
        let histories: Vec<_> = order.iter().map(|stage| earlier.of(stage)).collect();
        let outlook = StageOutlook::of(&weights, &histories, index);
        // The worker has worked on the stage since the last one finished.
        let start = self.finished_at.take().unwrap_or(now).min(now);
        let start = Duration::from_millis(start);
        self.estimate.finish_stage(start);
        self.estimate.start_stage(start, outlook);
    }

    /// Whether the worker names its stages as it goes.
    fn names_stages(&self) -> bool {
        self.stages.is_empty()
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
        if self.stage.as_deref() != Some(update.stage.as_str()) {
            (self.attempt, self.progress) = (attempt_of(update), update.progress);
        } else if attempt_of(update) > self.attempt {
            (self.attempt, self.progress) = (attempt_of(update), update.progress);
            self.overall = 0;
        } else {
            self.progress = self.progress.max(update.progress);
        }
        self.stage = Some(update.stage.clone());
        let fraction = match update.overall_progress {
            Some(overall) => f64::from(overall) / 100.0,
            None => self.fraction(f64::from(self.progress) / 100.0),
        };
        self.overall = self.overall.max(percent(fraction));
        let now = Duration::from_millis(now);
        if update.indeterminate {
            self.estimate.observe_indeterminate(now);
        } else {
            let fraction = match (update.overall_progress, update.completed, update.total) {
                (None, Some(completed), Some(total)) => self.fraction(ratio(completed, total)),
                _ => fraction,
            };
            self.estimate.observe(now, fraction);
        }
        self.message.clone_from(&update.message);
        self.remaining_seconds = update
            .estimated_seconds_remaining
            .or_else(|| self.estimate.remaining_seconds(now));
        self.work = update.work();
        self.point(update.stage.clone())
    }

    /// The number of the attempt at the running stage.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The progress at a checkpoint of `stage`, which may be the first event of the stage.
    pub(crate) fn at_checkpoint(&mut self, stage: &str) -> ProgressPoint {
        if self.stage.as_deref() != Some(stage) {
            self.stage = Some(stage.to_owned());
            (self.attempt, self.progress) = (1, 0);
            RUNNING.clone_into(&mut self.message);
            self.work = WorkAmount::default();
        }
        self.point(stage.to_owned())
    }

    fn point(&self, stage: String) -> ProgressPoint {
        ProgressPoint {
            stage,
            progress: self.progress,
            overall_progress: self.overall,
            message: self.message.clone(),
            estimated_seconds_remaining: self.remaining_seconds,
            work: self.work.clone(),
        }
    }

    /// Marks a stage as finished at `now`, in milliseconds since the Unix epoch. Returns the overall
    /// percentage, and how long the stage took, if its start is known.
    pub(crate) fn finish(&mut self, stage: &str, now: u64) -> (u8, Option<StageDuration>) {
        let was_running = self.running() == Some(stage);
        let duration = self.estimate.finish_stage(Duration::from_millis(now));
        let duration = duration.filter(|_| was_running);
        self.finished_at = Some(now);
        self.finished.insert(stage.to_owned());
        self.stage = Some(stage.to_owned());
        self.progress = 100;
        self.overall = self.overall.max(percent(self.fraction(0.0)));
        (self.overall, duration)
    }

    /// The finished fraction of the job, if `of_stage` is the finished fraction of the running stage. All
    /// stages have the same weight. After stages that the worker names as it goes, one more is assumed to follow.
    #[expect(clippy::cast_precision_loss, reason = "there are at most 50 stages")]
    fn fraction(&self, of_stage: f64) -> f64 {
        let stages = if self.names_stages() {
            self.finished.len() + usize::from(self.running().is_some()) + 1
        } else {
            self.stages.len()
        };
        ((self.finished.len() as f64 + of_stage) / stages as f64).min(1.0)
    }
}

/// The message of a stage that has stored a checkpoint before its first progress.
const RUNNING: &str = "Running...";

/// The number of the attempt that `update` reports; 1 if it reports none.
fn attempt_of(update: &WorkerProgress) -> u32 {
    let attempt = update.attempt.unwrap_or(1);
    u32::try_from(attempt).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "amounts of at most 2^53 are exact"
)]
fn ratio(completed: u64, total: u64) -> f64 {
    completed as f64 / total.max(1) as f64
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
            stages: vec!["a".to_owned(), "b".to_owned()],
            finished: BTreeSet::new(),
            stage: None,
            attempt: 1,
            progress: 0,
            overall: 0,
            message: String::new(),
            remaining_seconds: None,
            work: WorkAmount::default(),
            estimate: Estimate::default(),
            is_estimated: false,
            finished_at: None,
        }
    }

    fn at(stage: &str, progress: u8) -> WorkerProgress {
        WorkerProgress {
            stage: stage.to_owned(),
            progress,
            message: String::new(),
            overall_progress: None,
            estimated_seconds_remaining: None,
            completed: None,
            total: None,
            unit: None,
            indeterminate: false,
            attempt: None,
            max_attempts: None,
            retry_at: None,
        }
    }

    #[test]
    fn stages_have_equal_weights_and_progress_never_decreases() {
        let mut tracker = tracker();
        assert_eq!(tracker.advance(&at("a", 50), 0).overall_progress, 25);
        let back = tracker.advance(&at("a", 40), 0);
        assert_eq!((back.progress, back.overall_progress), (50, 25));
        assert_eq!(tracker.running(), Some("a"));
        assert_eq!(tracker.finish("a", 0).0, 50);
        assert_eq!(tracker.running(), None);
        let next = tracker.advance(&at("b", 0), 0);
        assert_eq!((next.progress, next.overall_progress), (0, 50));
        assert_eq!(tracker.finish("b", 0).0, 100);
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
    fn higher_attempt_restarts_the_percentages_of_its_stage() {
        let mut tracker = tracker();
        tracker.finish("a", 0);
        tracker.advance(&at("b", 80), 0);
        let mut second = at("b", 10);
        second.attempt = Some(2);
        assert!(tracker.is_start(&second));
        let point = tracker.advance(&second, 0);
        assert_eq!((point.progress, point.overall_progress), (10, 55));
        assert_eq!(tracker.attempt(), 2);
        // An update without a number, or with a lower one, belongs to the running attempt.
        for number in [None, Some(1), Some(2)] {
            let mut update = at("b", 5);
            update.attempt = number;
            assert_eq!(tracker.advance(&update, 0).progress, 10);
            assert_eq!(tracker.attempt(), 2);
        }
    }

    #[test]
    fn checkpoint_has_the_progress_that_was_reported_last() {
        let mut tracker = tracker();
        let point = tracker.advance(&at("a", 40), 0);
        assert_eq!(tracker.at_checkpoint("a"), point);
        let next = tracker.at_checkpoint("b");
        assert_eq!((next.progress, next.overall_progress), (0, 20));
        assert_eq!(next.message, RUNNING);
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

    /// Advances like a post: a stage starts with its first update.
    fn post(
        tracker: &mut ProgressTracker,
        earlier: &StageDurations,
        update: &WorkerProgress,
        now: u64,
    ) -> Option<u64> {
        if tracker.is_start(update) {
            tracker.start_stage(update, earlier, now);
        }
        tracker.advance(update, now).estimated_seconds_remaining
    }

    #[test]
    fn history_gives_an_estimate_with_the_first_update() {
        let mut earlier = StageDurations::none(["a", "b"]);
        for _ in 0..5 {
            earlier.record("a", StageDuration::of_seconds(100.0));
            earlier.record("b", StageDuration::of_seconds(300.0));
        }
        let mut tracker = tracker();
        assert_eq!(post(&mut tracker, &earlier, &at("a", 0), 1_000), Some(400));
        let mut unknown = at("a", 0);
        unknown.indeterminate = true;
        assert_eq!(post(&mut tracker, &earlier, &unknown, 11_000), Some(390));
        let (_, duration) = tracker.finish("a", 101_000);
        assert_eq!(duration.map(|it| it.seconds.round()), Some(100.0));
        // Stage b began when a finished.
        assert_eq!(
            post(&mut tracker, &earlier, &at("b", 0), 111_000),
            Some(290)
        );
    }

    #[test]
    fn overall_progress_of_the_worker_is_estimated_as_one_stage() {
        let earlier = StageDurations::none(["a", "b"]);
        let mut tracker = tracker();
        let mut update = at("a", 100);
        for (overall, now) in [(0, 0), (10, 5_000), (20, 10_000), (30, 15_000)] {
            update.overall_progress = Some(overall);
            post(&mut tracker, &earlier, &update, now);
        }
        update.overall_progress = Some(40);
        assert_eq!(post(&mut tracker, &earlier, &update, 20_000), Some(30));
    }

    #[test]
    fn amount_of_work_is_more_exact_than_the_percentage() {
        let mut tracker = tracker();
        let mut update = at("a", 0);
        for (completed, now) in [(0, 0), (3, 1_000), (6, 2_000), (9, 3_000)] {
            (update.completed, update.total) = (Some(completed), Some(1_000));
            post(
                &mut tracker,
                &StageDurations::none(["a", "b"]),
                &update,
                now,
            );
        }
        let seconds = tracker.advance(&update, 3_000).estimated_seconds_remaining;
        assert!(
            seconds.is_some_and(|seconds| (620..720).contains(&seconds)),
            "{seconds:?}"
        );
    }

    #[test]
    fn stage_whose_start_was_not_seen_has_no_duration() {
        let mut tracker = tracker();
        assert_eq!(tracker.finish("a", 5_000).1, None);
    }
}
