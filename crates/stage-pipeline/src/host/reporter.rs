//! Publishes a running stage's progress at the intervals of its host.

use std::ops::ControlFlow;

use tokio::time::Instant;

use super::interface::{Host, Intervals};
use crate::{
    estimate::Estimate, progress::ProgressFeed, update::ProgressUpdate, weight::StageWeight,
};

/// Publishes the progress of one stage.
pub(super) struct Reporter<'a> {
    stage: &'static str,
    weight: StageWeight,
    intervals: Intervals,
    feed: ProgressFeed,
    estimate: &'a mut Estimate,
    start: Instant,
    polled_at: Instant,
    written_at: Option<Instant>,
}

impl<'a> Reporter<'a> {
    /// A reporter of a stage that starts now, in a run that began at `start`.
    pub(super) fn new(
        stage: &'static str,
        weight: StageWeight,
        intervals: Intervals,
        feed: ProgressFeed,
        estimate: &'a mut Estimate,
        start: Instant,
    ) -> Self {
        let polled_at = Instant::now();
        Self {
            stage,
            weight,
            intervals,
            feed,
            estimate,
            start,
            polled_at,
            written_at: None,
        }
    }

    /// The feed of the stage's reports.
    pub(super) fn feed(&self) -> &ProgressFeed {
        &self.feed
    }

    /// Waits until [`Self::poll`] is due: there is a new report and the last update is at least
    /// [`Intervals::report`] old, or the last poll is [`Intervals::poll`] old. Cancel-safe.
    pub(super) async fn due(&self) {
        let next_poll = self.polled_at + self.intervals.poll;
        let changed = tokio::time::timeout_at(next_poll, self.feed.changed());
        if changed.await.is_ok()
            && let Some(written_at) = self.written_at
        {
            tokio::time::sleep_until(written_at + self.intervals.report).await;
        }
    }

    /// Publishes a new report or a heartbeat. Otherwise, only polls the host.
    pub(super) async fn poll<H: Host>(&mut self, host: &mut H) -> ControlFlow<H::Stop> {
        self.polled_at = Instant::now();
        let was_written_lately = self
            .written_at
            .is_some_and(|written_at| written_at.elapsed() < self.intervals.heartbeat);
        if self.feed.is_fresh() || !was_written_lately {
            return self.publish(host).await;
        }
        host.poll().await
    }

    /// Publishes the latest report.
    pub(super) async fn publish<H: Host>(&mut self, host: &mut H) -> ControlFlow<H::Stop> {
        self.written_at = Some(Instant::now());
        let report = self.feed.take();
        let elapsed = self.start.elapsed();
        let overall = self.weight.overall(report.percent);
        self.estimate.observe(elapsed, overall);
        let update = ProgressUpdate {
            stage: self.stage,
            percent: report.percent,
            overall_percent: self.weight.overall_percent(report.percent),
            message: report.message,
            remaining_seconds: self.estimate.remaining_seconds(elapsed),
        };
        host.publish(&update).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::progress::Progress;

    const WEIGHT: StageWeight = StageWeight {
        done: 0,
        stage: 1,
        all: 1,
    };

    const INTERVALS: Intervals = Intervals {
        report: Duration::from_millis(250),
        poll: Duration::from_millis(800),
        heartbeat: Duration::from_secs(10),
    };

    /// The time until the next poll, which notices a cancellation, with a report or without.
    async fn time_until_poll(reports: bool) -> Duration {
        let (progress, feed) = Progress::new();
        let mut estimate = Estimate::default();
        let now = Instant::now();
        let mut reporter = Reporter::new("a", WEIGHT, INTERVALS, feed, &mut estimate, now);
        reporter.feed.take();
        reporter.written_at = Some(now);
        if reports {
            progress.report(1, "Working...");
        }
        reporter.due().await;
        now.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn host_is_called_after_the_interval_of_reports_or_of_polls() {
        assert_eq!(time_until_poll(true).await, INTERVALS.report);
        assert_eq!(time_until_poll(false).await, INTERVALS.poll);
    }
}
