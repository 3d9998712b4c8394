//! Publishes a running stage's progress, and notices cancellations and lost leases.

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

/// Shortest time between two progress updates.
const REPORT_INTERVAL: Duration = Duration::from_millis(1000 / MAX_UPDATES_PER_SECOND as u64);
/// Longest time between two checks for a cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(800);
/// Longest time between two writes, each of which renews the lease.
const HEARTBEAT: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3);

/// The weight of a stage within all stages of the job.
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

    /// [`Self::overall`] in whole percent.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of at most 1"
    )]
    pub(super) fn overall_percent(self, percent: u8) -> u8 {
        (self.overall(percent) * 100.0).floor() as u8
    }
}

/// The publisher that a reporter uses; a fake in tests.
pub(super) trait PublishesProgress {
    /// Publishes the progress of the stage, and renews the lease.
    async fn report(&mut self, point: &ProgressPoint) -> Result<LeaseStatus, PublishError>;

    /// Reads whether the lease is held and whether the job is cancelled.
    async fn poll_cancellation(&self) -> Result<LeaseStatus, PublishError>;
}

/// Why a reporter stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// A client has cancelled the job.
    Cancelled,
    /// Another run has claimed the job.
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

    /// Waits until [`Self::poll`] is due: there is a new report and the last update is at least
    /// [`REPORT_INTERVAL`] old, or the last poll is [`POLL_INTERVAL`] old. Cancel-safe.
    pub(super) async fn due(&self) {
        let changed = tokio::time::timeout_at(self.polled_at + POLL_INTERVAL, self.feed.changed());
        if changed.await.is_ok()
            && let Some(written_at) = self.written_at
        {
            tokio::time::sleep_until(written_at + REPORT_INTERVAL).await;
        }
    }

    /// Publishes a new report or a heartbeat. Otherwise, only reads whether the job was cancelled.
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
                // The next update replaces this one.
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

    /// The time until the next poll, which notices a cancellation, with a report or without.
    async fn time_until_poll(reports: bool) -> Duration {
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
    async fn cancellation_is_noticed_within_a_second() {
        assert_eq!(time_until_poll(true).await, REPORT_INTERVAL);
        assert_eq!(time_until_poll(false).await, POLL_INTERVAL);
        assert!(REPORT_INTERVAL < POLL_INTERVAL && POLL_INTERVAL < Duration::from_secs(1));
    }
}
