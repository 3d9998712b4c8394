//! Publishes a running stage's progress at the intervals of its host.

use std::{future::pending, ops::ControlFlow, time::Duration};

use tokio::time::Instant;

use super::interface::{Host, Intervals};
use crate::{
    checkpoint::StageCheckpoint,
    estimate::Estimate,
    progress::{Attachment, ProgressFeed},
    update::ProgressUpdate,
    weight::StageWeight,
};

/// Measures the time that something has run, in this run and in earlier ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    earlier: Duration,
    start: Instant,
}

impl Stopwatch {
    /// A stopwatch that shows `earlier` now.
    pub(super) fn continued(earlier: Duration) -> Self {
        Self {
            earlier,
            start: Instant::now(),
        }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.earlier + self.start.elapsed()
    }

    /// When the stopwatch will show `elapsed`; now, if it has.
    fn reaches(self, elapsed: Duration) -> Instant {
        self.start + elapsed.saturating_sub(self.earlier)
    }
}

/// Publishes the progress of one stage.
pub(super) struct Reporter<'a> {
    stage: &'static str,
    weight: StageWeight,
    intervals: Intervals,
    feed: ProgressFeed,
    estimate: &'a mut Estimate,
    job: Stopwatch,
    running: Stopwatch,
    polled_at: Instant,
    written_at: Option<Instant>,
    checkpointed_at: Option<Instant>,
    /// The last state that was stored in this run.
    last: Option<StageCheckpoint>,
}

impl<'a> Reporter<'a> {
    /// A reporter of a stage that starts or continues now. `running` measures the stage, `job` all stages.
    pub(super) fn new(
        stage: &'static str,
        weight: StageWeight,
        intervals: Intervals,
        feed: ProgressFeed,
        estimate: &'a mut Estimate,
        (job, running): (Stopwatch, Stopwatch),
    ) -> Self {
        let polled_at = Instant::now();
        Self {
            stage,
            weight,
            intervals,
            feed,
            estimate,
            job,
            running,
            polled_at,
            written_at: None,
            checkpointed_at: None,
            last: None,
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
        let update = self.update();
        host.publish(&update).await
    }

    /// Waits until [`Self::store_checkpoint`] is due: there is a new state, and the last one is at least
    /// [`Intervals::checkpoint`] old or the run hands on. Cancel-safe.
    pub(super) async fn checkpoint_due(&self) {
        self.feed.checkpoint_ready().await;
        if let Some(checkpointed_at) = self.checkpointed_at
            && !self.feed.is_handing_on()
        {
            tokio::time::sleep_until(checkpointed_at + self.intervals.checkpoint).await;
        }
    }

    /// Stores the latest state that was not stored, if there is one, and publishes the latest report with
    /// it.
    pub(super) async fn store_checkpoint<H: Host>(&mut self, host: &mut H) -> ControlFlow<H::Stop> {
        let Some(state) = self.feed.take_checkpoint() else {
            return ControlFlow::Continue(());
        };
        self.polled_at = Instant::now();
        self.checkpointed_at = Some(self.polled_at);
        let update = self.update();
        let checkpoint = StageCheckpoint {
            stage: self.stage.to_owned(),
            state,
            percent: update.percent,
            message: update.message.clone().into_owned(),
            stage_elapsed: self.running.elapsed(),
            job_elapsed: self.job.elapsed(),
            estimate: self.estimate.clone(),
        };
        self.last = Some(checkpoint.clone());
        host.checkpoint(checkpoint, &update).await?;
        // The host goes on, so the stage does, too.
        self.feed.set_handing_on(false);
        ControlFlow::Continue(())
    }

    /// Waits until the stage offers an artifact. Cancel-safe.
    pub(super) async fn attachment_due(&self) {
        self.feed.attachment_offered().await;
    }

    /// Records an artifact that the stage offers, and passes the result to the stage.
    pub(super) async fn record_attachment<H: Host>(
        &mut self,
        host: &mut H,
    ) -> ControlFlow<H::Stop> {
        if let Some(Attachment { artifact, recorded }) = self.feed.take_attachment() {
            let result = host.attach(self.stage, artifact).await?;
            // A stage that does not wait any more has dropped the receiver.
            let _ = recorded.send(result);
        }
        ControlFlow::Continue(())
    }

    /// The last checkpoint that was stored in this run.
    pub(super) fn into_last_checkpoint(self) -> Option<StageCheckpoint> {
        self.last
    }

    /// Waits until the stage has run for `limit`; forever if there is none.
    pub(super) async fn reached(&self, limit: Option<Duration>) -> Duration {
        match limit {
            Some(limit) => {
                tokio::time::sleep_until(self.running.reaches(limit)).await;
                limit
            }
            None => pending().await,
        }
    }

    /// The latest report, as it is published now.
    fn update(&mut self) -> ProgressUpdate {
        self.written_at = Some(Instant::now());
        let report = self.feed.take();
        let elapsed = self.job.elapsed();
        if report.indeterminate {
            self.estimate.observe_indeterminate(elapsed);
        } else {
            let overall = self.weight.overall_fraction(report.fraction());
            self.estimate.observe(elapsed, overall);
        }
        ProgressUpdate {
            stage: self.stage,
            percent: report.percent,
            overall_percent: self.weight.overall_percent(report.percent),
            message: report.message,
            remaining_seconds: self.estimate.remaining_seconds(elapsed),
            count: report.count,
            indeterminate: report.indeterminate,
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

    const INTERVALS: Intervals = Intervals {
        report: Duration::from_millis(250),
        poll: Duration::from_millis(800),
        heartbeat: Duration::from_secs(10),
        checkpoint: Duration::from_secs(1),
    };

    /// The time until the next poll, which notices a cancellation, with a report or without.
    async fn time_until_poll(reports: bool) -> Duration {
        let (progress, feed) = Progress::new();
        let mut estimate = Estimate::default();
        let now = Instant::now();
        let clock = Stopwatch::continued(Duration::ZERO);
        let mut reporter =
            Reporter::new("a", WEIGHT, INTERVALS, feed, &mut estimate, (clock, clock));
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
