//! The visibility of job messages on the queue, and the messages of the watchdog.
//!
//! The visibility timeout of the queue has to be as long as the function's timeout, 15 minutes. A job
//! whose run is killed would wait that long for the next run. So a run shortens the visibility timeout of
//! its message before it claims the job, and extends it while it runs. If the run is killed before that,
//! the watchdog sends another message.

use std::{convert::Infallible, time::Duration};

use aws_lambda_events::sqs::SqsMessage;
use granted_aws::Queues;
use stagecast_contract::{limits::LEASE_SECONDS, queues::JobQueue, timestamp::Timestamp};
use stagecast_core::models::Job;
use typed_contract::{
    functions::Function,
    grants::{ChangeMessageVisibility, Granted},
};

/// Visibility timeout of the message of a run, in seconds: slightly longer than the lease, so that
/// another run can claim the job soon after this one is killed.
#[expect(clippy::cast_possible_truncation, reason = "half a minute")]
const VISIBILITY_SECONDS: i32 = LEASE_SECONDS as i32 + 5;
/// Interval at which a run extends the visibility timeout.
const EXTEND_INTERVAL: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3);
/// Factor by which the visibility timeout grows with each failed run.
const FAILURE_FACTOR: i32 = 4;
/// Maximum visibility timeout after a failed run, in seconds: more than half an hour. Together, the
/// receives of a message last for hours, so that a shorter outage of the tables makes no dead letters.
const MAX_BACKOFF_SECONDS: i32 = VISIBILITY_SECONDS * FAILURE_FACTOR.pow(3);

/// The grant of this module's calls.
pub(crate) trait ChangesVisibility:
    Function + Granted<ChangeMessageVisibility<JobQueue>>
{
}

impl<F> ChangesVisibility for F where F: Function + Granted<ChangeMessageVisibility<JobQueue>> {}

/// Shortens the visibility timeout of a received message from the queue's to the lease's.
pub(crate) async fn shorten_visibility<F: ChangesVisibility>(
    queues: &Queues<F>,
    message: &SqsMessage,
) {
    change_visibility(queues, message, VISIBILITY_SECONDS).await;
}

/// Extends the visibility timeout of a message for as long as this future is polled.
pub(crate) async fn extend_visibility<F: ChangesVisibility>(
    queues: &Queues<F>,
    message: &SqsMessage,
) -> Infallible {
    loop {
        tokio::time::sleep(EXTEND_INTERVAL).await;
        change_visibility(queues, message, VISIBILITY_SECONDS).await;
    }
}

/// Delays the retry of a failed run by an exponential backoff.
pub(crate) async fn retry_later<F: ChangesVisibility>(queues: &Queues<F>, message: &SqsMessage) {
    change_visibility(queues, message, backoff_seconds(receive_count(message))).await;
}

/// The number of receives of the message, including this one.
pub(crate) fn receive_count(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// What to do with a message of the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchdogMessage {
    /// Run the job: no run holds it.
    Run,
    /// Drop the message: the job has ended, or another run holds it.
    Drop,
    /// Send the log again. The job has ended, but the message was received before, so its run may have
    /// been killed before it notified the subscribers.
    Redeliver,
}

impl WatchdogMessage {
    /// The decision for a message for `job`, received `receive_count` times. While this function is
    /// down, messages of the watchdog accumulate; only the first one starts a run. If the job is held,
    /// the watchdog checks it again later.
    pub(crate) fn of(job: Option<&Job>, receive_count: u32, now: Timestamp) -> Self {
        match job {
            Some(job) if job.status.has_ended() && receive_count > 1 => Self::Redeliver,
            Some(job) if job.is_unattended(now) => Self::Run,
            Some(_) | None => Self::Drop,
        }
    }
}

async fn change_visibility<F: ChangesVisibility>(
    queues: &Queues<F>,
    message: &SqsMessage,
    seconds: i32,
) {
    let receipt = message.receipt_handle.as_deref().unwrap_or_default();
    if let Err(error) = queues.hide::<JobQueue>(receipt, seconds).await {
        // The lease protects the job: a second receiver of the message finds the job held.
        tracing::warn!(%error, "the visibility timeout of a job message could not be changed");
    }
}

/// Seconds until a message is visible again whose run has failed, by the message's receive count.
fn backoff_seconds(receive_count: u32) -> i32 {
    FAILURE_FACTOR
        .saturating_pow(receive_count.saturating_sub(1))
        .saturating_mul(VISIBILITY_SECONDS)
        .min(MAX_BACKOFF_SECONDS)
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId},
        limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
        messages::JobStatus,
    };
    use typed_contract::queues::Queue as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    /// A job with a status and with a lease that expires after `lease_left` seconds.
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

    /// The decisions at the first receive and at a later one.
    fn decisions(job: Option<&Job>) -> [WatchdogMessage; 2] {
        [1, 7].map(|receive_count| WatchdogMessage::of(job, receive_count, NOW))
    }

    #[test]
    fn watchdog_message_for_a_held_job_is_dropped_at_every_receive() {
        let held = job(JobStatus::Running, 10);
        assert_eq!(decisions(Some(&held)), [WatchdogMessage::Drop; 2]);
        assert_eq!(decisions(None), [WatchdogMessage::Drop; 2]);
    }

    #[test]
    fn watchdog_message_for_an_ended_job_starts_no_run() {
        for status in [
            JobStatus::Completed,
            JobStatus::Failed,
            JobStatus::Cancelled,
        ] {
            let ended = job(status, 10);
            assert_eq!(
                decisions(Some(&ended)),
                [WatchdogMessage::Drop, WatchdogMessage::Redeliver]
            );
        }
    }

    #[test]
    fn watchdog_message_for_an_unattended_job_starts_a_run() {
        for job in [job(JobStatus::Queued, 0), job(JobStatus::Running, -1)] {
            assert_eq!(decisions(Some(&job)), [WatchdogMessage::Run; 2]);
        }
    }

    #[test]
    fn backoff_grows_with_each_failure_and_outlasts_an_outage() {
        let delays: Vec<_> = (0..=5).map(backoff_seconds).collect();
        assert_eq!(delays, [35, 35, 140, 560, 2240, 2240]);
        assert_eq!(backoff_seconds(u32::MAX), 2240);
        let total: i32 = (1..JobQueue::SPEC.max_receives).map(backoff_seconds).sum();
        assert!(
            total > 8 * 60 * 60,
            "{total} seconds before it is a dead letter"
        );
    }

    #[test]
    fn receives_suffice_for_all_attempts_of_five_stages() {
        // The last attempt at a stage either finishes it or fails the job.
        assert!(JobQueue::SPEC.max_receives >= 5 * (MAX_ATTEMPTS_WITHOUT_PROGRESS + 1));
    }
}
