//! When the watchdog checks a job, and what it does then.
//!
//! A watchdog is a delayed message on the queue `deliveries` ([`DeliveryKind::Watchdog`]). The delivery
//! function receives it, so it does not depend on the function or the worker that runs the job. A job of
//! the pipeline has a watchdog from its creation to its end. For a job of an external worker, each claim
//! schedules one before the claim is written, so that no claim is without one.
//!
//! [`DeliveryKind::Watchdog`]: stagecast_contract::queues::DeliveryKind::Watchdog

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    ids::JobId,
    limits::{
        ABANDONED_AFTER_SECONDS, LEASE_SECONDS, WATCHDOG_MARGIN_SECONDS, WATCHDOG_MAX_DELAY_SECONDS,
    },
    messages::{FailureCode, JobError, JobStatus},
    queues::{DeliveryQueue, DeliveryTask},
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{Granted, SendMessage},
    queues::MAX_DELAY_SECONDS,
};

use crate::models::{Job, TerminalState};

/// Seconds until the first check of a watchdog: the lease of a claim at the same time has ended by then.
pub const FIRST_CHECK_SECONDS: i64 = LEASE_SECONDS + WATCHDOG_MARGIN_SECONDS + 1;

/// Seconds after the end of a run's lease before the job's message is sent again. The message of a run
/// that was interrupted becomes visible again within this time.
const JOB_MESSAGE_GRACE_SECONDS: i64 = 20;

/// What the watchdog does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing, also in future: the job has ended, or a later claim has another watchdog.
    Retire,
    /// Check again after this many seconds.
    CheckAgain(i64),
    /// Send the job's message to the queue `jobs` again, and check again after this many seconds.
    SendJobMessage(i64),
    /// End the job.
    End(TerminalState),
    /// Fail the job, whose external worker is lost, unless a worker holds it again.
    GiveUp(JobError),
}

/// Schedules a check of a job after `seconds`, at most SQS's longest delay. `epoch` is the claim that is
/// watched; without it, the job is watched until it ends.
pub async fn schedule<F>(
    queues: &Queues<F>,
    job_id: &JobId,
    epoch: Option<u64>,
    seconds: i64,
) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    let task = DeliveryTask::watchdog(job_id.clone(), epoch);
    let delay = seconds.clamp(0, MAX_DELAY_SECONDS);
    let delay = i32::try_from(delay).unwrap_or(0);
    queues.send::<DeliveryQueue>(&task, delay).await
}

/// Whether a watchdog of the claim `epoch` has to check the job: the job has not ended, and it has no later
/// claim.
pub fn is_watched(job: &Job, epoch: Option<u64>) -> bool {
    !job.status.has_ended() && epoch.is_none_or(|epoch| epoch == job.epoch)
}

/// Whether the job's lease ended so long ago that the events in its log can be committed.
pub fn is_lease_over(job: &Job, now: Timestamp) -> bool {
    job.status == JobStatus::Running && lease_left(job, now) < -WATCHDOG_MARGIN_SECONDS
}

/// What the watchdog does with a job that it [watches](is_watched).
pub fn action(job: &Job, now: Timestamp) -> Action {
    match job.status {
        JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => Action::Retire,
        JobStatus::Queued if job.cancel_requested => Action::End(TerminalState::Cancelled),
        // The job waits for its first claim, which schedules a watchdog.
        JobStatus::Queued if job.is_external() => Action::Retire,
        JobStatus::Queued => {
            let waits = now.epoch_seconds() - job.updated_at.epoch_seconds();
            resend(waits, FIRST_CHECK_SECONDS, MAX_DELAY_SECONDS)
        }
        JobStatus::Running if !is_lease_over(job, now) => {
            check_again(lease_left(job, now) + WATCHDOG_MARGIN_SECONDS + 1)
        }
        JobStatus::Running if job.cancel_requested => Action::End(TerminalState::Cancelled),
        JobStatus::Running => {
            let silent = -lease_left(job, now);
            if !job.is_external() {
                return resend(
                    silent,
                    JOB_MESSAGE_GRACE_SECONDS,
                    WATCHDOG_MAX_DELAY_SECONDS,
                );
            }
            if silent < ABANDONED_AFTER_SECONDS {
                return check_again(ABANDONED_AFTER_SECONDS - silent);
            }
            Action::GiveUp(worker_lost())
        }
    }
}

fn lease_left(job: &Job, now: Timestamp) -> i64 {
    job.lease_expires_at - now.epoch_seconds()
}

fn check_again(seconds: i64) -> Action {
    Action::CheckAgain(seconds.clamp(1, WATCHDOG_MAX_DELAY_SECONDS))
}

/// Sends the message of a job that has waited for `waits` seconds, if that is at least `grace`. The interval
/// doubles up to `longest` seconds: the queue may just be long, and while the pipeline function is down,
/// each message stays on the queue.
fn resend(waits: i64, grace: i64, longest: i64) -> Action {
    if waits < grace {
        return check_again(grace - waits);
    }
    Action::SendJobMessage(waits.clamp(FIRST_CHECK_SECONDS, longest))
}

fn worker_lost() -> JobError {
    let minutes = ABANDONED_AFTER_SECONDS / 60;
    JobError::of(
        FailureCode::WorkerLost,
        format!(
            "the job's worker has been silent for {minutes} minutes, and no other worker has claimed \
             the job"
        ),
    )
}

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::{AccessKey, JobId, RequestId, WorkerKey};

    use super::*;

    const CREATED: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_epoch_seconds(CREATED + seconds)
    }

    fn queued() -> Job {
        Job::queued(
            JobId::new(at(0), [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(at(0), [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            at(0),
        )
    }

    /// A job that was claimed at once and whose run has died.
    fn claimed() -> Job {
        let mut job = queued();
        job.status = JobStatus::Running;
        job.epoch = 1;
        job.lease_expires_at = CREATED + LEASE_SECONDS;
        job
    }

    fn external() -> Job {
        claimed().for_external_worker(&WorkerKey::new([4; 16]))
    }

    /// The seconds at which the message of a job without a run is sent again, in its first hour.
    fn job_messages(job: &Job) -> Vec<i64> {
        let (mut now, mut sent) = (FIRST_CHECK_SECONDS, Vec::new());
        while now < 3600 {
            match action(job, at(now)) {
                Action::SendJobMessage(next) => {
                    sent.push(now);
                    now += next;
                }
                Action::CheckAgain(next) => now += next,
                other => panic!("{other:?}"),
            }
        }
        sent
    }

    #[test]
    fn message_of_a_queued_job_is_resent_at_growing_intervals() {
        assert_eq!(
            job_messages(&queued()),
            [36, 72, 144, 288, 576, 1152, 2052, 2952]
        );
    }

    #[test]
    fn message_of_a_claimed_job_is_resent_after_the_grace_time() {
        let sent = job_messages(&claimed());
        assert_eq!(sent[0], LEASE_SECONDS + JOB_MESSAGE_GRACE_SECONDS);
    }

    #[test]
    fn job_with_a_live_lease_is_checked_again_later() {
        let mut job = external();
        job.cancel_requested = true;
        assert_eq!(action(&job, at(0)), Action::CheckAgain(36));
        assert_eq!(action(&job, at(35)), Action::CheckAgain(1));
        assert_eq!(action(&job, at(36)), Action::End(TerminalState::Cancelled));
    }

    #[test]
    fn cancelled_job_ends_when_its_lease_has_ended() {
        for mut job in [claimed(), external()] {
            job.cancel_requested = true;
            assert_eq!(action(&job, at(40)), Action::End(TerminalState::Cancelled));
        }
        let mut waiting = queued();
        waiting.cancel_requested = true;
        assert_eq!(
            action(&waiting, at(1)),
            Action::End(TerminalState::Cancelled)
        );
    }

    #[test]
    fn external_job_fails_fifteen_minutes_after_its_lease() {
        let job = external();
        assert_eq!(action(&job, at(40)), Action::CheckAgain(180));
        let last = LEASE_SECONDS + ABANDONED_AFTER_SECONDS - 1;
        assert_eq!(action(&job, at(last)), Action::CheckAgain(1));
        let Action::GiveUp(error) = action(&job, at(last + 1)) else {
            panic!("it goes on");
        };
        assert_eq!(error.code, "worker_lost");
    }

    #[test]
    fn watchdog_retires_with_the_job_and_with_a_later_claim() {
        let job = external();
        assert!(is_watched(&job, Some(1)) && is_watched(&job, None));
        assert!(!is_watched(&job, Some(2)) && !is_watched(&job, Some(0)));
        let mut ended = job;
        ended.status = JobStatus::Completed;
        assert!(!is_watched(&ended, Some(1)) && !is_watched(&ended, None));
    }
}
