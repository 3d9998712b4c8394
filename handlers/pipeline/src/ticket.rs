//! How long a ticket is hidden from other receivers.
//!
//! The queue's own visibility timeout has to be as long as the function's, a quarter of an hour: that
//! long a job would wait after its run was cut short. So a run hides its ticket for short times only,
//! first before it claims the job, then again and again while it goes on. If it dies before that, the
//! watchdog sends another ticket.

use std::{convert::Infallible, time::Duration};

use aws_lambda_events::sqs::SqsMessage;
use contract::{
    functions::PipelineFunction, limits::LEASE_SECONDS, queues::JobQueue, timestamp::Timestamp,
};
use handlers_core::{aws::Queues, models::Job};

/// How long a ticket is hidden at a time, in seconds: until shortly after the lease of its run, so
/// that another can take over as soon as this one is cut short.
#[expect(clippy::cast_possible_truncation, reason = "half a minute")]
const HIDE_SECONDS: i32 = LEASE_SECONDS as i32 + 5;
/// How often that is done anew.
const HIDE_EVERY: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3);
/// How much longer each further failure hides it.
const FAILURE_FACTOR: i32 = 4;
/// How long a failure hides it at most: more than half an hour. All receives together last for hours
/// then: an outage of the tables that is shorter makes no dead letters.
const LONGEST_SECONDS: i32 = HIDE_SECONDS * FAILURE_FACTOR.pow(3);

/// Hides a ticket whose run begins for no longer than the run's lease, instead of the queue's own
/// visibility timeout.
pub(crate) async fn hide_first(queues: &Queues<PipelineFunction>, ticket: &SqsMessage) {
    hide(queues, ticket, HIDE_SECONDS).await;
}

/// Keeps a ticket, hidden already, from other receivers for as long as this future is polled.
pub(crate) async fn extend_visibility(
    queues: &Queues<PipelineFunction>,
    ticket: &SqsMessage,
) -> Infallible {
    loop {
        tokio::time::sleep(HIDE_EVERY).await;
        hide(queues, ticket, HIDE_SECONDS).await;
    }
}

/// Hides a ticket whose run has failed, the longer the more often it has been received.
pub(crate) async fn retry_later(queues: &Queues<PipelineFunction>, ticket: &SqsMessage) {
    hide(queues, ticket, wait_after(receives(ticket))).await;
}

/// How often the ticket has been received.
pub(crate) fn receives(ticket: &SqsMessage) -> u32 {
    let count = ticket.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// What becomes of a ticket that the watchdog has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spare {
    /// The job waits for a run.
    Needed,
    /// The job has ended, or another run has it.
    Dropped,
    /// The job has ended. The ticket was received before: its run may have been cut short before it
    /// sent the end.
    Unsent,
}

/// What becomes of a ticket that the watchdog has sent for `job`, at its `receives`th receive.
/// Tickets pile up while this function is down; those that the first one makes useless start no run.
/// A held job is the watchdog's to look at again.
pub(crate) fn spare(job: Option<&Job>, receives: u32, now: Timestamp) -> Spare {
    match job {
        Some(job) if job.status.has_ended() && receives > 1 => Spare::Unsent,
        Some(job) if job.is_unattended(now) => Spare::Needed,
        Some(_) | None => Spare::Dropped,
    }
}

async fn hide(queues: &Queues<PipelineFunction>, ticket: &SqsMessage, seconds: i32) {
    let receipt = ticket.receipt_handle.as_deref().unwrap_or_default();
    if let Err(error) = queues.hide::<JobQueue>(receipt, seconds).await {
        // The lease is what protects the job; a second receiver finds it held.
        tracing::warn!(%error, "the ticket may come again sooner or later than it should");
    }
}

/// Seconds before a ticket that has failed at its `receives`th receive comes again.
fn wait_after(receives: u32) -> i32 {
    FAILURE_FACTOR
        .saturating_pow(receives.saturating_sub(1))
        .saturating_mul(HIDE_SECONDS)
        .min(LONGEST_SECONDS)
}

#[cfg(test)]
mod tests {
    use contract::{
        ids::{AccessKey, JobId, RequestId},
        limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
        messages::JobStatus,
        queues::Queue as _,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    /// A job in this status, whose lease ends in so many seconds.
    fn job(status: JobStatus, lease_left: i64) -> Job {
        let mut job = Job::queued(
            JobId::new(NOW, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        );
        job.status = status;
        job.lease_expires_at = NOW.epoch_seconds() + lease_left;
        job
    }

    fn becomes(job: Option<&Job>) -> [Spare; 2] {
        [1, 7].map(|receives| spare(job, receives, NOW))
    }

    #[test]
    fn spare_ticket_of_a_held_job_is_dropped_at_every_receive() {
        let held = job(JobStatus::Running, 10);
        assert_eq!(becomes(Some(&held)), [Spare::Dropped; 2]);
        assert_eq!(becomes(None), [Spare::Dropped; 2]);
    }

    #[test]
    fn spare_ticket_of_an_ended_job_starts_no_run() {
        for status in [
            JobStatus::Completed,
            JobStatus::Failed,
            JobStatus::Cancelled,
        ] {
            let ended = job(status, 10);
            assert_eq!(becomes(Some(&ended)), [Spare::Dropped, Spare::Unsent]);
        }
    }

    #[test]
    fn spare_ticket_of_a_job_that_waits_is_needed() {
        for job in [job(JobStatus::Queued, 0), job(JobStatus::Running, -1)] {
            assert_eq!(becomes(Some(&job)), [Spare::Needed; 2]);
        }
    }

    #[test]
    fn each_failure_hides_a_ticket_for_longer_and_all_of_them_outlast_an_outage() {
        let waits: Vec<_> = (0..=5).map(wait_after).collect();
        assert_eq!(waits, [35, 35, 140, 560, 2240, 2240]);
        assert_eq!(wait_after(u32::MAX), 2240);
        let lasts: i32 = (1..JobQueue::SPEC.max_receives).map(wait_after).sum();
        assert!(
            lasts > 8 * 60 * 60,
            "{lasts} seconds before it is a dead letter"
        );
    }

    #[test]
    fn each_stage_of_a_job_may_be_cut_short_as_often_as_it_is_tried() {
        // Of a pipeline of five stages; the last claim of each fails it, or finishes it.
        assert!(JobQueue::SPEC.max_receives >= 5 * (MAX_ATTEMPTS_WITHOUT_PROGRESS + 1));
    }
}
