//! The two ends of a stage's progress: the stage's, which costs nanoseconds, and the runner's,
//! which does the work.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// Someone has cancelled the job, or another run has taken it over: the stage should stop.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the job was cancelled")]
pub struct Cancelled;

/// What a stage reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Percent of the stage, 0 to 100.
    pub percent: u8,
    /// What the stage is doing, for a person.
    pub message: Cow<'static, str>,
}

/// What a stage reports its progress with. Clones report for the same stage, from any thread.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Shared>);

/// The runner's end of a [`Progress`].
#[derive(Clone, Debug)]
pub struct ProgressFeed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    latest: Mutex<Report>,
    /// Something was reported that the runner has not taken.
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
    /// The progress of a stage that starts now, and the end to watch it from.
    pub fn new() -> (Self, ProgressFeed) {
        let shared = Arc::new(Shared::default());
        (Self(Arc::clone(&shared)), ProgressFeed(shared))
    }

    /// Reports how far the stage is: `percent` from 0 to 100, and what it is doing. Never blocks,
    /// never fails, and only the latest counts. A percentage below an earlier one keeps the
    /// earlier one, so that a client's bar never goes back. Clients get the first kilobyte of the
    /// message.
    pub fn report(&self, percent: u8, message: impl Into<Cow<'static, str>>) {
        let message = message.into();
        {
            let mut latest = self.0.lock();
            latest.percent = latest.percent.max(percent.min(100));
            latest.message = message;
        }
        // Waking the runner costs far more than this: once is enough until it has looked.
        if !self.0.fresh.swap(true, Ordering::AcqRel) {
            self.0.changed.notify_one();
        }
    }

    /// Whether the stage should stop. A stage that works for long looks often: true within a second
    /// of a client's `cancel_job`.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// [`Self::is_cancelled`] for use with `?`.
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

    /// The latest report.
    pub fn take(&self) -> Report {
        self.0.fresh.store(false, Ordering::Release);
        self.0.lock().clone()
    }

    /// Tells the stage to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_report_counts_and_percent_never_goes_back() {
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
    fn a_cancelled_stage_is_told() {
        let (progress, feed) = Progress::new();
        assert_eq!(progress.check_cancelled(), Ok(()));
        feed.cancel();
        assert_eq!(progress.clone().check_cancelled(), Err(Cancelled));
    }

    #[tokio::test]
    async fn a_report_from_another_thread_wakes_the_runner() {
        let (progress, feed) = Progress::new();
        let stage = std::thread::spawn(move || progress.report(10, "on a thread"));
        feed.changed().await;
        assert_eq!(feed.take().percent, 10);
        stage.join().unwrap();
    }
}
