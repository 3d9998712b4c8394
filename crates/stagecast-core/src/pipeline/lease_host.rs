//! The host of a run: publishes what stages report and finish, and stops the run when its lease is lost,
//! the job is cancelled or the deadline is reached.

use std::{ops::ControlFlow, time::Duration};

use stage_pipeline::{
    ProgressUpdate,
    host::{FinishedStage, Host, Intervals},
};
use stagecast_contract::{
    limits::{
        LEASE_SECONDS, MAX_RESULTS_DEPTH, MAX_TEXT_BYTES, MAX_UPDATES_PER_SECOND,
        truncate_with_ellipsis,
    },
    messages::Results,
};
use tokio::time::Instant;
use tracing::Span;
use typed_contract::functions::Function;

use crate::{
    delivery::{LeaseStatus, PublishError, Publisher, Publishes},
    models::Job,
    retry::RetryPolicy,
    stores::ProgressPoint,
};

const INTERVALS: Intervals = Intervals {
    report: Duration::from_millis(1000 / MAX_UPDATES_PER_SECOND as u64),
    poll: Duration::from_millis(800),
    // A publication renews the lease.
    heartbeat: Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3),
};

// Clients can read what stages can write.
const _: () = assert!(stage_pipeline::MAX_RESULTS_DEPTH <= MAX_RESULTS_DEPTH);

/// Why a run stops before its pipeline has ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// A client has cancelled the job, while a stage was running.
    Cancelled,
    /// A client has cancelled the job. The stage has finished, and another one would follow.
    CancelledAfterStage,
    /// The deadline was reached.
    OutOfTime,
    /// Another process committed the stage and ended the job.
    EndedElsewhere,
    /// The lease is lost, or a durable message could not be published.
    Publish(PublishError),
}

/// Publishes a run for as long as it holds the lease.
pub(super) struct LeaseHost<'a, F: Function> {
    job: &'a Job,
    publisher: &'a mut Publisher<F>,
    deadline: Instant,
    /// The running stage; empty before the first.
    stage: &'static str,
    results: Option<Results>,
}

impl<'a, F: Function> LeaseHost<'a, F> {
    pub(super) fn new(job: &'a Job, publisher: &'a mut Publisher<F>, deadline: Instant) -> Self {
        Self {
            job,
            publisher,
            deadline,
            stage: "",
            results: None,
        }
    }

    /// The results of the last stage that has finished in this run, in their form in its message.
    pub(super) fn into_results(self) -> Option<Results> {
        self.results
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
        self.stage = update.stage;
        let message = update.message.clone().into_owned();
        let point = ProgressPoint {
            stage: update.stage.to_owned(),
            progress: update.percent,
            overall_progress: update.overall_percent,
            message: truncate_with_ellipsis(message, MAX_TEXT_BYTES),
            estimated_seconds_remaining: update.remaining_seconds,
        };
        let answer = self.publisher.report(&point).await;
        self.check_lease(answer)
    }

    async fn poll(&mut self) -> ControlFlow<Stop> {
        let answer = self.publisher.poll_cancellation().await;
        self.check_lease(answer)
    }

    async fn interrupted(&mut self) -> Stop {
        tokio::time::sleep_until(self.deadline).await;
        Stop::OutOfTime
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
        if lease_status.status.has_ended() {
            return ControlFlow::Break(Stop::EndedElsewhere);
        }
        if finished.is_last {
            return ControlFlow::Continue(());
        }
        if lease_status.cancel_requested {
            return ControlFlow::Break(Stop::CancelledAfterStage);
        }
        if Instant::now() >= self.deadline {
            return ControlFlow::Break(Stop::OutOfTime);
        }
        ControlFlow::Continue(())
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
