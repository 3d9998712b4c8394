//! Publishing a running stage's progress, and hearing from it whether to stop.

use std::time::Duration;

use contract::limits::{
    LEASE_SECONDS, MAX_TEXT_BYTES, MAX_UPDATES_PER_SECOND, truncate_with_ellipsis,
};
use tokio::time::Instant;

use crate::{
    delivery::{LeaseStatus, PublishError},
    progress::{Estimate, ProgressFeed},
    stores::ProgressPoint,
};

/// Shortest time between two updates.
const REPORT_INTERVAL: Duration = Duration::from_millis(1000 / MAX_UPDATES_PER_SECOND as u64);
/// Longest time in which nobody looks whether the job was cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(800);
/// Longest time without a write: each one renews the lease.
const HEARTBEAT: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3);

/// Where the stages before this one leave the job, and what this one adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct StageWeight {
    /// Weight of the stages that have finished.
    pub(super) done: u32,
    /// Weight of this stage.
    pub(super) stage: u32,
    /// Weight of all stages.
    pub(super) all: u32,
}

impl StageWeight {
    /// The fraction of the whole job that is done when this stage is at `percent`.
    pub(super) fn overall(self, percent: u8) -> f64 {
        let done = f64::from(self.done) + f64::from(self.stage) * f64::from(percent) / 100.0;
        done / f64::from(self.all)
    }

    /// The same in whole percent.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of at most 1"
    )]
    pub(super) fn overall_percent(self, percent: u8) -> u8 {
        (self.overall(percent) * 100.0).floor() as u8
    }
}

/// Where a reporter publishes: the run's publisher.
pub(super) trait PublishesProgress {
    /// Publishes how far the stage is, and renews the lease.
    async fn report(&mut self, point: &ProgressPoint) -> Result<LeaseStatus, PublishError>;

    /// Asks whether the job should go on.
    async fn poll_cancellation(&self) -> Result<LeaseStatus, PublishError>;
}

/// Why a reporter stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Someone has cancelled the job.
    Cancelled,
    /// Another run has the job.
    LeaseLost,
}

/// Publishes the progress of one stage.
pub(super) struct Reporter<'a> {
    stage: &'static str,
    weight: StageWeight,
    feed: ProgressFeed,
    estimate: &'a mut Estimate,
    start: Instant,
    polled_at: Instant,
    written_at: Option<Instant>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(
        stage: &'static str,
        weight: StageWeight,
        feed: ProgressFeed,
        estimate: &'a mut Estimate,
        start: Instant,
    ) -> Self {
        let polled_at = Instant::now();
        Self {
            stage,
            weight,
            feed,
            estimate,
            start,
            polled_at,
            written_at: None,
        }
    }

    /// Waits until [`Self::poll`] is due: something new was reported and the last update is not too
    /// fresh, or nobody has looked for a while. May be dropped at any point.
    pub(super) async fn due(&self) {
        let silence = tokio::time::timeout_at(self.polled_at + POLL_INTERVAL, self.feed.changed());
        if silence.await.is_ok()
            && let Some(written_at) = self.written_at
        {
            tokio::time::sleep_until(written_at + REPORT_INTERVAL).await;
        }
    }

    /// Publishes what is new; with nothing new, only asks whether the job was cancelled.
    pub(super) async fn poll(&mut self, publisher: &mut impl PublishesProgress) -> Option<Stopped> {
        self.polled_at = Instant::now();
        let was_written_lately = self
            .written_at
            .is_some_and(|written_at| written_at.elapsed() < HEARTBEAT);
        if self.feed.is_fresh() || !was_written_lately {
            return self.publish(publisher).await;
        }
        Self::lease_status(self.stage, publisher.poll_cancellation().await)
    }

    /// Publishes the latest report.
    pub(super) async fn publish(
        &mut self,
        publisher: &mut impl PublishesProgress,
    ) -> Option<Stopped> {
        self.written_at = Some(Instant::now());
        let report = self.feed.take();
        let elapsed = self.start.elapsed();
        let overall = self.weight.overall(report.percent);
        self.estimate.observe(elapsed, overall);
        let point = ProgressPoint {
            stage: self.stage.to_owned(),
            progress: report.percent,
            overall_progress: self.weight.overall_percent(report.percent),
            message: truncate_with_ellipsis(report.message.into_owned(), MAX_TEXT_BYTES),
            estimated_seconds_remaining: self.estimate.remaining_seconds(elapsed),
        };
        Self::lease_status(self.stage, publisher.report(&point).await)
    }

    /// Asks the stage to stop.
    pub(super) fn cancel_stage(&self) {
        self.feed.cancel();
    }

    fn lease_status(stage: &str, answer: Result<LeaseStatus, PublishError>) -> Option<Stopped> {
        match answer {
            Ok(lease_status) if lease_status.cancel_requested => Some(Stopped::Cancelled),
            Ok(_) => None,
            Err(PublishError::LeaseLost | PublishError::Conflict { .. }) => {
                Some(Stopped::LeaseLost)
            }
            Err(PublishError::Store(error)) => {
                // The next update says it all again.
                tracing::warn!(stage, %error, "a progress update could not be written");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;

    const WEIGHT: StageWeight = StageWeight {
        done: 0,
        stage: 1,
        all: 1,
    };

    /// How long it takes until a look is due that hears of a cancellation, with reports or without.
    async fn silence(reports: bool) -> Duration {
        let (progress, feed) = Progress::new();
        let mut estimate = Estimate::default();
        let mut reporter = Reporter::new("a", WEIGHT, feed, &mut estimate, Instant::now());
        reporter.feed.take();
        reporter.written_at = Some(Instant::now());
        if reports {
            progress.report(1, "Working...");
        }
        let start = Instant::now();
        reporter.due().await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_hears_within_a_second_that_it_is_cancelled_whether_it_reports_or_not() {
        assert_eq!(silence(true).await, REPORT_INTERVAL);
        assert_eq!(silence(false).await, POLL_INTERVAL);
        assert!(REPORT_INTERVAL < POLL_INTERVAL && POLL_INTERVAL < Duration::from_secs(1));
    }
}
