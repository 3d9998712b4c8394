//! The handle of a stage, with which it reports, and the feed from which its run takes the reports.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    attachment_states::Attachments,
    checkpoint_states::CheckpointStates,
    parts::{ALL, Parts, STAGE},
};
use crate::cancelled::Cancelled;

/// What a stage reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Percent of the stage, 0 to 100, rounded down.
    pub percent: u8,
    /// What the stage is doing, for people.
    pub message: Cow<'static, str>,
    /// How much of the work is done, in its unit; none after [`Progress::report`].
    pub count: Option<WorkCount>,
    /// Whether the stage does not know how much work there is.
    pub indeterminate: bool,
    /// The progress in millionths of the stage.
    millionths: u32,
}

impl Report {
    /// The fraction of the stage that is done, 0 to 1, in millionths.
    pub fn fraction(&self) -> f64 {
        f64::from(self.millionths) / f64::from(ALL)
    }
}

/// An amount of work: `1,200 of 5,000 rows`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkCount {
    /// The amount that is done.
    pub completed: u64,
    /// The whole amount, at least `completed`; none if it is unknown.
    pub total: Option<u64>,
    /// The plural of what is counted, for people, such as `rows`; may be empty.
    pub unit: Cow<'static, str>,
}

/// A percent, in millionths.
const PERCENT: u32 = ALL / 100;

/// The handle with which a stage reports its progress. Clones report for the same stage, from any thread.
///
/// ```
/// # use stage_pipeline::Progress;
/// let (progress, feed) = Progress::new();
/// progress.report(40, "Reading rows...");
/// assert_eq!(feed.take().message, "Reading rows...");
///
/// assert!(progress.check_cancelled().is_ok());
/// feed.cancel();
/// assert!(progress.check_cancelled().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Progress {
    pub(super) shared: Arc<Shared>,
    /// The part of the stage that this handle reports for, an index of [`Parts`].
    part: usize,
}

/// The other end of a [`Progress`]: a run takes reports from it and cancels the stage with it. In a unit
/// test of a stage, the test does.
#[derive(Clone, Debug)]
pub struct ProgressFeed(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Whether there is a report that has not been taken.
    fresh: AtomicBool,
    changed: Notify,
    cancelled: AtomicBool,
    pub(super) checkpoints: CheckpointStates,
    pub(super) attachments: Attachments,
}

#[derive(Debug)]
struct State {
    latest: Report,
    parts: Parts,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// The handle of a stage that starts now, and the other end of it.
    pub fn new() -> (Self, ProgressFeed) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                latest: Report::default(),
                parts: Parts::whole(),
            }),
            fresh: AtomicBool::new(false),
            changed: Notify::new(),
            cancelled: AtomicBool::new(false),
            checkpoints: CheckpointStates::default(),
            attachments: Attachments::default(),
        });
        let feed = ProgressFeed(Arc::clone(&shared));
        let part = STAGE;
        (Self { shared, part }, feed)
    }

    /// Reports the progress of the stage: `percent` from 0 to 100, and what the stage is doing. Never blocks
    /// and never fails, and takes nanoseconds: only the latest report is published, a few times per second.
    /// A percentage below an earlier one is ignored, so that a progress bar never goes back.
    pub fn report(&self, percent: u8, message: impl Into<Cow<'static, str>>) {
        let millionths = u32::from(percent.min(100)) * PERCENT;
        self.publish(Some(millionths), message.into(), None);
    }

    /// Reports that `completed` of `total` are done, for example rows. The percentage follows from them.
    /// `unit` is the plural of what is counted, for display: `1,200 of 5,000 rows`. A `total` below
    /// `completed` is raised to it, and a `total` of 0 is no progress. Otherwise as [`Self::report`].
    ///
    /// ```
    /// # use stage_pipeline::Progress;
    /// let (progress, feed) = Progress::new();
    /// progress.report_count(1_200, 5_000, "rows", "Adding up...");
    /// let report = feed.take();
    /// assert_eq!(report.percent, 24);
    /// assert_eq!(report.count.map(|count| count.completed), Some(1_200));
    /// ```
    pub fn report_count(
        &self,
        completed: u64,
        total: u64,
        unit: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) {
        let total = total.max(completed);
        let millionths = u128::from(completed) * u128::from(ALL) / u128::from(total.max(1));
        let millionths = u32::try_from(millionths).unwrap_or(ALL);
        let count = WorkCount {
            completed,
            total: Some(total),
            unit: unit.into(),
        };
        self.publish(Some(millionths), message.into(), Some(count));
    }

    /// Reports that `completed` are done, of an unknown total. The percentage stays as it is, and is shown
    /// as indeterminate until the stage reports a percentage or a total. The remaining time is known only
    /// from earlier jobs. `unit` is as in [`Self::report_count`].
    ///
    /// On a [part](Self::split) of a stage, only the count and the message are shown: the other parts have
    /// a percentage.
    pub fn report_count_of_unknown_total(
        &self,
        completed: u64,
        unit: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) {
        let count = WorkCount {
            completed,
            total: None,
            unit: unit.into(),
        };
        self.publish(None, message.into(), Some(count));
    }

    /// Splits the work into parts with these weights, and returns a handle for each. Their reports combine
    /// to the percentage of this handle, so that steps, and work on several threads, have one progress bar
    /// and one remaining time. The latest report of any part provides the message and the count.
    ///
    /// A part counts as done when it reports 100 %. A part with the weight 0 changes only the message.
    /// Split a handle once, before the parts report.
    ///
    /// ```
    /// # use stage_pipeline::Progress;
    /// # let (progress, feed) = Progress::new();
    /// let [read, resize] = progress.split([1, 3]);
    /// read.report(100, "Read the image");
    /// assert_eq!(feed.take().percent, 25);
    /// let halves = resize.split([1, 1]);
    /// std::thread::scope(|scope| {
    ///     for half in &halves {
    ///         scope.spawn(|| half.report(50, "Resizing..."));
    ///     }
    /// });
    /// assert_eq!(feed.take().percent, 62);
    /// ```
    #[must_use]
    pub fn split<const PARTS: usize>(&self, weights: [u32; PARTS]) -> [Self; PARTS] {
        let mut state = self.shared.lock();
        weights.map(|weight| Self {
            shared: Arc::clone(&self.shared),
            part: state.parts.add(self.part, weight),
        })
    }

    /// Makes a report the latest one. `millionths` is none for an unknown total.
    fn publish(
        &self,
        millionths: Option<u32>,
        message: Cow<'static, str>,
        count: Option<WorkCount>,
    ) {
        {
            let mut state = self.shared.lock();
            if let Some(millionths) = millionths {
                state.parts.raise(self.part, millionths);
            }
            let millionths_of_stage = state.parts.millionths();
            let latest = &mut state.latest;
            latest.millionths = millionths_of_stage;
            latest.percent = u8::try_from(millionths_of_stage / PERCENT).unwrap_or(100);
            latest.message = message;
            latest.count = count;
            latest.indeterminate = millionths.is_none() && self.part == STAGE;
        }
        // Waking the run is expensive, so it is woken once until it takes the report.
        if !self.shared.fresh.swap(true, Ordering::AcqRel) {
            self.shared.changed.notify_one();
        }
    }

    /// Whether the stage should return. True as soon as the run knows of a cancellation: see
    /// [`Run::cancel_with`](crate::Run::cancel_with), or the documentation of the service that runs the
    /// pipeline. A long stage should check this at least once per second: two seconds after a
    /// cancellation, the run stops to wait for the stage.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }

    /// [`Self::is_cancelled`] for use with `?`.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], which becomes [`StageError::Cancelled`](crate::StageError::Cancelled).
    pub fn check_cancelled(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}

impl ProgressFeed {
    /// Waits until something has been reported that [`Self::take`] has not taken.
    pub async fn changed(&self) {
        while !self.is_fresh() {
            self.0.changed.notified().await;
        }
    }

    /// Whether something has been reported that [`Self::take`] has not taken.
    pub fn is_fresh(&self) -> bool {
        self.0.fresh.load(Ordering::Acquire)
    }

    /// The latest report, new or not.
    pub fn take(&self) -> Report {
        self.0.fresh.store(false, Ordering::Release);
        self.0.lock().latest.clone()
    }

    /// Asks the stage to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.checkpoints.release();
        self.0.attachments.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_report_is_taken_and_percent_never_goes_back() {
        let (progress, feed) = Progress::new();
        progress.report(50, "half");
        progress.report(40, "a step back");
        let report = feed.take();
        assert_eq!((report.percent, &*report.message), (50, "a step back"));
        progress.report(200, "too much");
        assert_eq!(feed.take().percent, 100);
    }

    #[test]
    fn count_gives_the_percentage_and_is_replaced_by_the_next_report() {
        let (progress, feed) = Progress::new();
        progress.report_count(2, 3, "rows", "Reading...");
        let report = feed.take();
        assert_eq!((report.percent, report.fraction()), (66, 0.666_666));
        let count = report.count.expect("a count");
        assert_eq!((count.completed, count.total), (2, Some(3)));
        progress.report(70, "Sorting...");
        assert_eq!(feed.take().count, None);
    }

    #[test]
    fn wrong_total_neither_exceeds_the_stage_nor_fails() {
        let (progress, feed) = Progress::new();
        progress.report_count(0, 0, "rows", "");
        assert_eq!(feed.take().percent, 0);
        progress.report_count(5, 4, "rows", "");
        let report = feed.take();
        assert_eq!(report.percent, 100);
        assert_eq!(report.count.and_then(|count| count.total), Some(5));
        progress.report_count(u64::MAX, u64::MAX, "bytes", "");
        assert_eq!(feed.take().percent, 100);
    }

    #[test]
    fn unknown_total_keeps_the_percentage_until_it_is_known() {
        let (progress, feed) = Progress::new();
        progress.report(10, "");
        progress.report_count_of_unknown_total(7, "files", "Listing...");
        let report = feed.take();
        assert!(report.indeterminate);
        assert_eq!(report.percent, 10);
        progress.report_count(7, 14, "files", "Copying...");
        let report = feed.take();
        assert!(!report.indeterminate);
        assert_eq!(report.percent, 50);
    }

    #[test]
    fn parts_combine_by_weight_and_never_go_back() {
        let (progress, feed) = Progress::new();
        let [first, second] = progress.split([1, 3]);
        second.report(50, "second");
        assert_eq!(feed.take().percent, 37);
        first.report(100, "first");
        first.report(20, "first again");
        let report = feed.take();
        assert_eq!((report.percent, &*report.message), (62, "first again"));
        second.report_count_of_unknown_total(3, "files", "more");
        let report = feed.take();
        assert!(!report.indeterminate && report.count.is_some());
        second.report(100, "done");
        assert_eq!(feed.take().percent, 100);
    }

    #[test]
    fn parts_without_weight_only_change_the_message() {
        let (progress, feed) = Progress::new();
        let [only] = progress.split([0]);
        only.report(100, "done");
        let report = feed.take();
        assert_eq!((report.percent, &*report.message), (0, "done"));
    }

    #[test]
    fn parts_on_many_threads_add_up() {
        let (progress, feed) = Progress::new();
        let parts = progress.split([1; 8]);
        std::thread::scope(|scope| {
            for part in &parts {
                scope.spawn(|| {
                    for done in 0..=1_000 {
                        part.report_count(done, 1_000, "tiles", "");
                    }
                });
            }
        });
        assert_eq!(feed.take().percent, 100);
    }

    #[test]
    fn cancelled_stage_can_see_that() {
        let (progress, feed) = Progress::new();
        assert_eq!(progress.check_cancelled(), Ok(()));
        feed.cancel();
        assert_eq!(progress.clone().check_cancelled(), Err(Cancelled));
    }

    #[tokio::test]
    async fn report_from_another_thread_wakes_the_run() {
        let (progress, feed) = Progress::new();
        let stage = std::thread::spawn(move || progress.report(10, "on a thread"));
        feed.changed().await;
        assert_eq!(feed.take().percent, 10);
        stage.join().unwrap();
    }
}
