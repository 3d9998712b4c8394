//! The two ends of a stage's progress: the stage reports in nanoseconds, and the run reads the reports
//! and publishes them.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// The job was cancelled, or its run has ended for another reason. The stage should return.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the job was cancelled")]
pub struct Cancelled;

/// What a stage reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Percent of the stage, 0 to 100.
    pub percent: u8,
    /// What the stage is doing, for people.
    pub message: Cow<'static, str>,
}

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
pub struct Progress(Arc<Shared>);

/// The other end of a [`Progress`]: a run takes reports from it and cancels the stage with it. In a unit
/// test of a stage, the test does.
#[derive(Clone, Debug)]
pub struct ProgressFeed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    latest: Mutex<Report>,
    /// Whether there is a report that has not been taken.
    fresh: AtomicBool,
    changed: Notify,
    cancelled: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Report> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// The handle of a stage that starts now, and the other end of it.
    pub fn new() -> (Self, ProgressFeed) {
        let shared = Arc::new(Shared::default());
        (Self(Arc::clone(&shared)), ProgressFeed(shared))
    }

    /// Reports the progress of the stage: `percent` from 0 to 100, and what the stage is doing. Never blocks
    /// and never fails, and takes nanoseconds: only the latest report is published, a few times per second.
    /// A percentage below an earlier one is ignored, so that a progress bar never goes back.
    pub fn report(&self, percent: u8, message: impl Into<Cow<'static, str>>) {
        let message = message.into();
        {
            let mut latest = self.0.lock();
            latest.percent = latest.percent.max(percent.min(100));
            latest.message = message;
        }
        // Waking the run is expensive, so it is woken once until it takes the report.
        if !self.0.fresh.swap(true, Ordering::AcqRel) {
            self.0.changed.notify_one();
        }
    }

    /// Whether the stage should return. True as soon as the run knows of a cancellation: see
    /// [`Run::cancel_with`](crate::Run::cancel_with), or the documentation of the service that runs the
    /// pipeline. A long stage should check this at least once per second: two seconds after a
    /// cancellation, the run stops to wait for the stage.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
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
        self.0.lock().clone()
    }

    /// Asks the stage to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
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
        assert_eq!(
            feed.take(),
            Report {
                percent: 50,
                message: "a step back".into()
            }
        );
        progress.report(200, "too much");
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
