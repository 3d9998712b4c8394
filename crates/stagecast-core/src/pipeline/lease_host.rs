//! The host of a run: publishes what stages report and finish, and stops the run when its lease is lost,
//! the job is cancelled or the deadline is reached.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use stage_pipeline::{
    Artifact, ArtifactError, ProgressUpdate, StageCheckpoint, StageDuration, StageFailure,
    StageHistory, StageRetry, WorkCount,
    host::{ArtifactStore, FinishedStage, Host, Intervals},
};
use stagecast_contract::{
    limits::{
        LEASE_SECONDS, MAX_RESULTS_DEPTH, MAX_TEXT_BYTES, MAX_UNIT_BYTES, MAX_UPDATES_PER_SECOND,
        truncate_with_ellipsis,
    },
    messages::{self, JobError, Results, WorkAmount},
};
use tokio::time::Instant;
use tracing::Span;
use typed_contract::functions::Function;

use crate::{
    clock::Clock,
    delivery::{LeaseStatus, PublishError, Publisher, Publishes},
    models::{Job, StageDurations, TooManyArtifacts},
    retry::RetryPolicy,
    stores::ProgressPoint,
};

const INTERVALS: Intervals = Intervals {
    report: Duration::from_millis(1000 / MAX_UPDATES_PER_SECOND as u64),
    poll: Duration::from_millis(800),
    // A publication renews the lease.
    heartbeat: Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3),
    checkpoint: Duration::from_secs(1),
};

/// Longest wait for the next attempt at a stage within a run: the function is billed for it, and it has to be
/// shorter than the lease.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const _: () = assert!(LONGEST_WAIT.as_secs() < LEASE_SECONDS.unsigned_abs() / 2);

/// Longest time before its deadline at which a run asks its stage to stop at the next checkpoint.
const LONGEST_HAND_ON: Duration = Duration::from_secs(30);

// Clients can read what stages can write.
const _: () = assert!(stage_pipeline::MAX_RESULTS_DEPTH <= MAX_RESULTS_DEPTH);

/// Why a run stops before its pipeline has ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// A client has cancelled the job, while a stage was running.
    Cancelled,
    /// A client has cancelled the job. The stage has finished, and another one would follow.
    CancelledAfterStage,
    /// The job has exceeded its time limit, or its next attempt would.
    OverLimit {
        /// The error with which the job fails.
        error: JobError,
        /// Whether a stage was running, or waited for its next attempt.
        is_running: bool,
    },
    /// The deadline was reached.
    OutOfTime,
    /// A stage is attempted again after this time, in another run.
    RetryLater(Duration),
    /// Another process committed the stage and ended the job.
    EndedElsewhere,
    /// The lease is lost, or a durable message could not be published.
    Publish(PublishError),
}

/// Publishes a run for as long as it holds the lease.
pub(super) struct LeaseHost<'a, F: Function> {
    job: &'a Job,
    publisher: &'a mut Publisher<F>,
    clock: &'a Clock,
    /// When the run asks its stage to stop at the next checkpoint, and starts no other stage.
    hand_on_at: Instant,
    deadline: Instant,
    /// When the time limit of the job is over.
    limit: Option<Instant>,
    /// The running stage; empty before the first.
    stage: &'static str,
    results: Option<Results>,
    earlier: &'a StageDurations,
    durations: Vec<(String, StageDuration)>,
    artifact_store: Arc<dyn ArtifactStore>,
}

impl<'a, F: Function> LeaseHost<'a, F> {
    pub(super) fn new(
        job: &'a Job,
        publisher: &'a mut Publisher<F>,
        clock: &'a Clock,
        earlier: &'a StageDurations,
        artifact_store: Arc<dyn ArtifactStore>,
        deadline: Instant,
    ) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = job.run_time_left(clock.millis());
        Self {
            job,
            publisher,
            clock,
            hand_on_at: deadline - LONGEST_HAND_ON.min(left / 4),
            deadline,
            limit: limit.map(|left| Instant::now() + left),
            stage: "",
            results: None,
            earlier,
            durations: Vec::new(),
            artifact_store,
        }
    }

    /// The results of the last stage that has finished in this run, in their form in its message; and how
    /// long the stages of this run took.
    pub(super) fn into_results(self) -> (Option<Results>, Vec<(String, StageDuration)>) {
        (self.results, self.durations)
    }

    fn point(&mut self, update: &ProgressUpdate) -> ProgressPoint {
        self.stage = update.stage;
        let message = update.message.clone().into_owned();
        ProgressPoint {
            stage: update.stage.to_owned(),
            progress: update.percent,
            overall_progress: update.overall_percent,
            message: truncate_with_ellipsis(message, MAX_TEXT_BYTES),
            estimated_seconds_remaining: update.remaining_seconds,
            work: work_amount(update.count.as_ref(), update.indeterminate),
        }
    }

    /// The end of a job whose time is over. `failure` is that of the last attempt, after which there is no time
    /// for another one.
    fn over_limit(&self, failure: Option<&StageFailure>, is_running: bool) -> Stop {
        let detail = failure.map(|failure| {
            format!(
                "there is no time for another attempt at {}: {failure}",
                self.stage
            )
        });
        Stop::OverLimit {
            error: self.job.timed_out(detail.as_deref()),
            is_running,
        }
    }

    /// Whether the run may continue after a progress update or a poll.
    fn check_lease(&self, answer: Result<LeaseStatus, PublishError>) -> ControlFlow<Stop> {
        match answer {
            Ok(lease_status) if lease_status.cancel_requested => {
                ControlFlow::Break(Stop::Cancelled)
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(PublishError::Store(error)) => {
                // The next update replaces this one.
                let stage = self.stage;
                tracing::warn!(stage, %error, "a progress update could not be written");
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Stop::Publish(error)),
        }
    }
}

impl<F: Publishes> Host for LeaseHost<'_, F> {
    type Stop = Stop;

    fn intervals(&self) -> Intervals {
        INTERVALS
    }

    fn history(&self, stage: &'static str) -> StageHistory {
        self.earlier.of(stage)
    }

    fn span(&self, stage: &'static str) -> Span {
        tracing::info_span!(
            "stage",
            stage,
            job_id = %self.job.job_id,
            request_id = self.job.request_id.as_str(),
            correlation_id = self.job.correlation_id,
        )
    }

    async fn publish(&mut self, update: &ProgressUpdate) -> ControlFlow<Stop> {
        let point = self.point(update);
        let answer = self.publisher.report(&point).await;
        self.check_lease(answer)
    }

    fn hand_on_at(&self) -> Option<Instant> {
        Some(self.hand_on_at)
    }

    async fn checkpoint(
        &mut self,
        checkpoint: StageCheckpoint,
        update: &ProgressUpdate,
    ) -> ControlFlow<Stop> {
        let point = self.point(update);
        let answer =
            publish_with_retry(async || self.publisher.checkpoint(&checkpoint, &point).await).await;
        self.check_lease(answer)?;
        if Instant::now() >= self.hand_on_at {
            return ControlFlow::Break(Stop::OutOfTime);
        }
        ControlFlow::Continue(())
    }

    fn artifact_store(&self) -> Arc<dyn ArtifactStore> {
        Arc::clone(&self.artifact_store)
    }

    async fn attach(
        &mut self,
        stage: &'static str,
        artifact: Artifact,
    ) -> ControlFlow<Stop, Result<(), ArtifactError>> {
        let Artifact {
            name,
            content_type,
            size,
            sha256,
        } = artifact;
        let attached = messages::Artifact {
            name: name.to_string(),
            content_type,
            size,
            sha256,
        };
        let recorded =
            publish_with_retry(async || self.publisher.attach(stage, &attached).await).await;
        match recorded {
            Ok(Ok(())) => ControlFlow::Continue(Ok(())),
            Ok(Err(TooManyArtifacts)) => {
                ControlFlow::Continue(Err(ArtifactError::TooMany { name }))
            }
            Err(error) => ControlFlow::Break(Stop::Publish(error)),
        }
    }

    async fn poll(&mut self) -> ControlFlow<Stop> {
        let answer = self.publisher.poll_cancellation().await;
        self.check_lease(answer)
    }

    async fn interrupted(&mut self) -> Stop {
        if let Some(limit) = self.limit
            && limit <= self.deadline
        {
            tokio::time::sleep_until(limit).await;
            return self.over_limit(None, true);
        }
        tokio::time::sleep_until(self.deadline).await;
        Stop::OutOfTime
    }

    async fn retry(&mut self, retry: StageRetry, update: &ProgressUpdate) -> ControlFlow<Stop> {
        tracing::warn!(stage = retry.stage, %retry, "a stage is attempted again");
        let point = self.point(update);
        let seconds = i64::try_from(retry.delay.as_secs()).unwrap_or(i64::MAX);
        let at = self.clock.now().plus_seconds(seconds);
        let start = Instant::now() + retry.delay;
        if self.limit.is_some_and(|limit| limit <= start) {
            // There is no point in waiting for it.
            return ControlFlow::Break(self.over_limit(Some(&retry.failure), true));
        }
        let (attempt, max_attempts) = (retry.attempt, retry.max_attempts);
        let published = publish_with_retry(async || {
            let publisher = &mut *self.publisher;
            publisher.retry(attempt, &point, at, max_attempts).await
        })
        .await;
        self.check_lease(published)?;
        if retry.delay > LONGEST_WAIT || start >= self.hand_on_at {
            return ControlFlow::Break(Stop::RetryLater(retry.delay));
        }
        loop {
            let next_poll = Instant::now() + INTERVALS.poll;
            if next_poll >= start {
                tokio::time::sleep_until(start).await;
                return ControlFlow::Continue(());
            }
            tokio::time::sleep_until(next_poll).await;
            self.poll().await?;
        }
    }

    async fn finish_stage(&mut self, finished: FinishedStage) -> ControlFlow<Stop> {
        let published = publish_with_retry(async || {
            let overall = Some(finished.overall_percent);
            let results = finished.results.clone();
            self.publisher
                .finish_stage(finished.stage, overall, results)
                .await
        })
        .await;
        let lease_status = match published {
            Ok((lease_status, results)) => {
                self.results = Some(results);
                lease_status
            }
            Err(error) => return ControlFlow::Break(Stop::Publish(error)),
        };
        if let Some(duration) = finished.duration {
            self.durations.push((finished.stage.to_owned(), duration));
        }
        if lease_status.status.has_ended() {
            return ControlFlow::Break(Stop::EndedElsewhere);
        }
        if finished.is_last {
            return ControlFlow::Continue(());
        }
        if lease_status.cancel_requested {
            return ControlFlow::Break(Stop::CancelledAfterStage);
        }
        if self.limit.is_some_and(|limit| limit <= Instant::now()) {
            return ControlFlow::Break(self.over_limit(None, false));
        }
        if Instant::now() >= self.hand_on_at {
            return ControlFlow::Break(Stop::OutOfTime);
        }
        ControlFlow::Continue(())
    }
}

/// The amount of work in messages.
fn work_amount(count: Option<&WorkCount>, indeterminate: bool) -> WorkAmount {
    let unit = |count: &WorkCount| {
        let unit = truncate_with_ellipsis(count.unit.clone().into_owned(), MAX_UNIT_BYTES);
        (!unit.is_empty()).then_some(unit)
    };
    WorkAmount {
        completed: count.map(|count| count.completed),
        total: count.and_then(|count| count.total),
        unit: count.and_then(unit),
        indeterminate,
    }
}

/// Publishes a durable message, with retries while the tables or the bucket fail. `publish` is
/// idempotent: each attempt writes the same message at the same `seq`.
pub(super) async fn publish_with_retry<T>(
    mut publish: impl AsyncFnMut() -> Result<T, PublishError>,
) -> Result<T, PublishError> {
    let mut backoff = RetryPolicy::DURABLE_MESSAGE.backoff();
    loop {
        match publish().await {
            Err(PublishError::Store(error)) => {
                let attempt = backoff.attempt();
                tracing::warn!(attempt, %error, "a durable message could not be published");
                if !backoff.wait().await {
                    return Err(error.into());
                }
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_notice_cancellations_in_a_second_and_renew_leases() {
        assert!(INTERVALS.report < INTERVALS.poll);
        assert!(INTERVALS.poll < Duration::from_secs(1));
        let lease = Duration::from_secs(LEASE_SECONDS.unsigned_abs());
        assert!(2 * (INTERVALS.heartbeat + INTERVALS.poll) < lease);
    }
}
