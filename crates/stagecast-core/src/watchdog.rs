//! When the watchdog checks a job, and what it does then.
//!
//! A watchdog is a delayed message on the queue `deliveries` ([`DeliveryKind::Watchdog`]). The delivery
//! function receives it, so it does not depend on the function or the worker that runs the job. A job of
//! the pipeline has a watchdog from its creation to its end. For a job of an external worker, each claim
//! schedules one before the claim is written, so that no claim is without one. A job of a queue of external workers
//! has one from its creation, too, and so has a job whose time in the queue is limited.
//!
//! [`DeliveryKind::Watchdog`]: stagecast_contract::queues::DeliveryKind::Watchdog

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    ids::JobId,
    limits::{
        ABANDONED_AFTER_SECONDS, LEASE_SECONDS, RUN_LIMIT_GRACE_SECONDS, WATCHDOG_MARGIN_SECONDS,
        WATCHDOG_MAX_DELAY_SECONDS,
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

/// Seconds until the first check of a claim of `job`. A job of a queue is put back into it once the lease has ended.
pub const fn first_check_of_claim(job: &Job) -> i64 {
    if job.queue.is_some() {
        LEASE_SECONDS + 1
    } else {
        FIRST_CHECK_SECONDS
    }
}

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
    /// Send the job's first message to the queue `jobs`, because its start is due, and check again after this
    /// many seconds.
    Start(i64),
    /// Send the job's message to the queue `jobs` again, and check again after this many seconds.
    SendJobMessage(i64),
    /// Store the job's entry in its queue of external workers, because a worker can claim the job, and check again
    /// after this many seconds.
    Enqueue(i64),
    /// End the job.
    End(TerminalState),
    /// Fail the job, which has exceeded a time limit, also while its lease lasts.
    Expire(JobError),
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

/// The claim and the delay in seconds of the first check of a new job that has its input; none if the job needs
/// no watchdog before its first claim. The check finds the job: it is not made within the time in which the
/// request that schedules it may still write the job.
pub fn first_check(job: &Job, now: Timestamp) -> Option<(Option<u64>, i64)> {
    let until_limit = job.seconds_until_over_limit(now);
    if job.queue.is_some() {
        let until_start = match job.seconds_until_start(now) {
            0 => MAX_DELAY_SECONDS,
            seconds => seconds,
        };
        let delay = until_limit.map_or(until_start, |limit| limit.min(until_start));
        return Some((
            Some(job.epoch),
            delay.clamp(FIRST_CHECK_SECONDS, MAX_DELAY_SECONDS),
        ));
    }
    if job.is_external() {
        let delay = until_limit?.clamp(FIRST_CHECK_SECONDS, MAX_DELAY_SECONDS);
        return Some((Some(job.epoch), delay));
    }
    let delay = job.seconds_until_start(now) + FIRST_CHECK_SECONDS;
    Some((None, delay.min(MAX_DELAY_SECONDS)))
}

/// The delay in seconds of a further check of a queued job, if its time in the queue, or the time until its start in a
/// queue of external workers, is shorter than the delay of its [first check](first_check).
pub fn early_check(job: &Job, now: Timestamp) -> Option<i64> {
    let until_start = job.queue.as_ref().map(|_| job.seconds_until_start(now));
    let until_start = until_start.filter(|seconds| *seconds > 0);
    let until_limit = job.seconds_until_over_limit(now);
    let next = until_start.into_iter().chain(until_limit).min()?;
    let (_, first) = first_check(job, now)?;
    (next < first).then_some(next.max(0))
}

/// What the watchdog does with a job that it [watches](is_watched).
pub fn action(job: &Job, now: Timestamp) -> Action {
    let until_limit = job.seconds_until_over_limit(now);
    let action = action_within_limit(job, now);
    let is_open = matches!(job.status, JobStatus::Queued | JobStatus::Running);
    let (Some(until_limit), true) = (until_limit, is_open) else {
        return action;
    };
    // A run ends its job itself.
    let is_run = job.status == JobStatus::Running && !job.is_external() && !is_lease_over(job, now);
    let until_check = until_limit + if is_run { RUN_LIMIT_GRACE_SECONDS } else { 0 };
    match (action, job.exceeded_limit(now)) {
        (Action::End(end), _) => Action::End(end),
        (_, Some(error)) if until_check <= 0 => Action::Expire(error),
        (Action::CheckAgain(seconds), _) => Action::CheckAgain(seconds.min(until_check.max(1))),
        (Action::Start(seconds), _) => Action::Start(seconds.min(until_check.max(1))),
        (Action::SendJobMessage(seconds), _) => {
            Action::SendJobMessage(seconds.min(until_check.max(1)))
        }
        (Action::Enqueue(seconds), _) => Action::Enqueue(seconds.min(until_check.max(1))),
        // An external worker has not claimed the job yet.
        (Action::Retire, _) => Action::CheckAgain(until_check.clamp(1, MAX_DELAY_SECONDS)),
        (action, _) => action,
    }
}

/// [`action`] without regard to time limits.
fn action_within_limit(job: &Job, now: Timestamp) -> Action {
    match job.status {
        JobStatus::AwaitingInput | JobStatus::Queued if job.cancel_requested => {
            Action::End(TerminalState::Cancelled)
        }
        JobStatus::Completed
        | JobStatus::Failed
        | JobStatus::Cancelled
        // The checks of its upload look after it; the job's own watchdog is scheduled before it is queued.
        | JobStatus::AwaitingInput => Action::Retire,
        JobStatus::Queued if job.queue.is_some() => match job.seconds_until_start(now) {
            0 => enqueue(now.epoch_seconds() - due_at(job).epoch_seconds()),
            seconds => Action::CheckAgain(seconds.min(MAX_DELAY_SECONDS)),
        },
        // The job waits for its first claim, or the next one, which schedules a watchdog.
        JobStatus::Queued if job.is_external() => Action::Retire,
        JobStatus::Queued => {
            // A job that waits for its start or for the next attempt at a stage is not due before.
            let due = due_at(job);
            let waits = now.epoch_seconds() - due.epoch_seconds();
            if job.started_at.is_none() && job.run_at == Some(due) {
                // Its first message was not sent with the request that created it.
                if waits < 0 {
                    return Action::CheckAgain((-waits).min(MAX_DELAY_SECONDS));
                }
                if waits < FIRST_CHECK_SECONDS {
                    return Action::Start(FIRST_CHECK_SECONDS - waits);
                }
            }
            resend(waits, FIRST_CHECK_SECONDS, MAX_DELAY_SECONDS)
        }
        // A worker can claim the job from the second after the end of the lease on.
        JobStatus::Running if job.queue.is_some() && !job.cancel_requested => {
            match lease_left(job, now) {
                left @ 0.. => check_again(left + 1),
                // The events that its worker has logged are committed then.
                left if !is_lease_over(job, now) => {
                    Action::Enqueue(left + WATCHDOG_MARGIN_SECONDS + 1)
                }
                left => enqueue(-left),
            }
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

/// Since when a queued job can be claimed, or when it can: a job that waits for its start or for the next attempt at a
/// stage is not due before.
fn due_at(job: &Job) -> Timestamp {
    let due = Some(job.updated_at).max(job.retry_at).max(job.run_at);
    due.unwrap_or(job.updated_at)
}

/// Stores the entry of a job that has waited for `waits` seconds. It has one already unless it has just become
/// claimable, so the interval doubles.
fn enqueue(waits: i64) -> Action {
    Action::Enqueue(waits.clamp(FIRST_CHECK_SECONDS, MAX_DELAY_SECONDS))
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
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId, WorkerKey},
        time_limits::JobLimits,
    };

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
    fn message_of_a_job_that_waits_for_an_attempt_is_not_sent_before_it_is_due() {
        let mut job = queued();
        (job.attempt, job.retry_at) = (2, Some(at(300)));
        assert!(matches!(action(&job, at(200)), Action::CheckAgain(_)));
        assert!(matches!(action(&job, at(310)), Action::CheckAgain(_)));
        let overdue = at(300 + FIRST_CHECK_SECONDS);
        assert!(matches!(action(&job, overdue), Action::SendJobMessage(_)));
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

    fn limits(queue_seconds: u64, run_seconds: u64) -> JobLimits {
        JobLimits {
            queue_seconds: Some(queue_seconds),
            run_seconds: Some(run_seconds),
        }
    }

    fn expired(action: Action) -> String {
        let Action::Expire(error) = action else {
            panic!("{action:?}");
        };
        error.code
    }

    #[test]
    fn queued_job_is_checked_at_its_queue_limit_and_fails_after_it() {
        let job = queued().limited(limits(100, 1));
        assert_eq!(first_check(&job, at(0)), Some((None, 36)));
        assert_eq!(action(&job, at(36)), Action::SendJobMessage(36));
        assert_eq!(action(&job, at(90)), Action::SendJobMessage(11));
        assert_eq!(expired(action(&job, at(101))), "queue_timeout");
        let mut cancelled = job;
        cancelled.cancel_requested = true;
        let end = Action::End(TerminalState::Cancelled);
        assert_eq!(action(&cancelled, at(101)), end);
    }

    #[test]
    fn job_with_a_later_start_is_checked_until_it_starts() {
        let job = queued().starting_at(Some(at(2000)));
        assert_eq!(first_check(&job, at(0)), Some((None, 900)));
        assert_eq!(action(&job, at(900)), Action::CheckAgain(900));
        assert_eq!(action(&job, at(1800)), Action::CheckAgain(200));
        assert_eq!(action(&job, at(2000)), Action::Start(36));
        assert_eq!(action(&job, at(2036)), Action::SendJobMessage(36));
        let mut cancelled = job.clone();
        cancelled.cancel_requested = true;
        let end = Action::End(TerminalState::Cancelled);
        assert_eq!(action(&cancelled, at(900)), end);
        // Its upload was completed after the start, and has sent the message.
        let late = job.queued_at(at(2010));
        assert_eq!(action(&late, at(2020)), Action::CheckAgain(26));
        assert_eq!(first_check(&late, at(2010)), Some((None, 36)));
        let soon = queued().starting_at(Some(at(100)));
        assert_eq!(first_check(&soon, at(0)), Some((None, 136)));
    }

    #[test]
    fn started_job_has_no_start_any_more() {
        let mut job = queued().starting_at(Some(at(100)));
        (job.started_at, job.retry_at) = (Some(at(100)), Some(at(300)));
        assert!(matches!(action(&job, at(301)), Action::CheckAgain(_)));
    }

    #[test]
    fn queue_limit_of_a_job_with_a_later_start_counts_from_it() {
        let job = queued().limited(limits(10, 1)).starting_at(Some(at(2000)));
        assert_eq!(action(&job, at(1800)), Action::CheckAgain(200));
        assert_eq!(action(&job, at(2000)), Action::Start(11));
        assert_eq!(expired(action(&job, at(2011))), "queue_timeout");
    }

    #[test]
    fn external_job_is_watched_before_its_first_claim_if_its_queue_is_limited() {
        let job = queued().for_external_worker(&WorkerKey::new([4; 16]));
        assert_eq!(first_check(&job, at(0)), None);
        assert_eq!(action(&job, at(36)), Action::Retire);
        let job = job.limited(limits(3600, 1));
        assert_eq!(first_check(&job, at(0)), Some((Some(0), 900)));
        assert_eq!(action(&job, at(900)), Action::CheckAgain(900));
        assert_eq!(action(&job, at(3600)), Action::CheckAgain(1));
        assert_eq!(expired(action(&job, at(3601))), "queue_timeout");
        let mut claimed = job;
        claimed.epoch = 1;
        assert!(!is_watched(&claimed, Some(0)));
    }

    fn in_queue(job: Job) -> Job {
        job.in_queue("plans".parse().expect("a name"), None, 0)
    }

    #[test]
    fn job_of_a_queue_has_a_watchdog_from_its_creation_on() {
        let job = in_queue(queued());
        assert_eq!(first_check(&job, at(0)), Some((Some(0), 900)));
        assert_eq!(early_check(&job, at(0)), None);
        assert_eq!(action(&job, at(36)), Action::Enqueue(36));
        assert_eq!(action(&job, at(5000)), Action::Enqueue(900));
        let limited = job.clone().limited(limits(100, 1));
        assert_eq!(first_check(&limited, at(0)), Some((Some(0), 101)));
        assert_eq!(action(&limited, at(90)), Action::Enqueue(11));
        assert_eq!(expired(action(&limited, at(101))), "queue_timeout");
        let delayed = |seconds| in_queue(queued().starting_at(Some(at(seconds))));
        assert_eq!(first_check(&delayed(5), at(0)), Some((Some(0), 36)));
        assert_eq!(early_check(&delayed(5), at(0)), Some(5));
        assert_eq!(first_check(&delayed(500), at(0)), Some((Some(0), 500)));
        assert_eq!(early_check(&delayed(500), at(0)), None);
        assert_eq!(action(&delayed(500), at(499)), Action::CheckAgain(1));
        assert_eq!(action(&delayed(500), at(500)), Action::Enqueue(36));
    }

    #[test]
    fn claimed_job_of_a_queue_is_put_back_when_its_lease_has_ended() {
        let mut job = in_queue(claimed());
        assert_eq!(first_check_of_claim(&job), LEASE_SECONDS + 1);
        assert_eq!(action(&job, at(20)), Action::CheckAgain(11));
        assert_eq!(action(&job, at(30)), Action::CheckAgain(1));
        assert_eq!(action(&job, at(31)), Action::Enqueue(5));
        assert_eq!(action(&job, at(36)), Action::Enqueue(36));
        let later = at(LEASE_SECONDS + ABANDONED_AFTER_SECONDS);
        assert_eq!(action(&job, later), Action::Enqueue(900));
        job.cancel_requested = true;
        assert_eq!(action(&job, at(31)), Action::CheckAgain(5));
        assert_eq!(action(&job, at(36)), Action::End(TerminalState::Cancelled));
    }

    #[test]
    fn job_of_a_dead_run_that_claimed_it_too_late_fails() {
        let mut job = claimed().limited(limits(10, 1000));
        job.started_at = Some(at(11));
        job.lease_expires_at = CREATED + 41;
        assert_eq!(expired(action(&job, at(50))), "queue_timeout");
    }

    #[test]
    fn short_queue_limit_has_an_early_check() {
        let job = |seconds| queued().limited(limits(seconds, 1));
        assert_eq!(early_check(&queued(), at(0)), None);
        assert_eq!(early_check(&job(3600), at(0)), None);
        assert_eq!(early_check(&job(1), at(0)), Some(2));
        let delayed = |seconds| job(seconds).starting_at(Some(at(100)));
        assert_eq!(early_check(&delayed(5), at(0)), Some(106));
        assert_eq!(early_check(&delayed(36), at(0)), None);
    }

    #[test]
    fn running_job_fails_at_its_run_limit() {
        let limited = |job: Job, lease: i64| {
            let mut job = job.limited(limits(1, 60));
            job.started_at = Some(at(0));
            job.lease_expires_at = CREATED + lease;
            job
        };
        let held = limited(external(), 80);
        assert_eq!(action(&held, at(50)), Action::CheckAgain(11));
        assert_eq!(expired(action(&held, at(61))), "job_timed_out");
        // The run of a pipeline ends its job itself, unless it is dead.
        let run = limited(claimed(), 80);
        assert_eq!(action(&run, at(61)), Action::CheckAgain(20));
        assert_eq!(expired(action(&run, at(81))), "job_timed_out");
        let dead = limited(claimed(), 30);
        assert_eq!(action(&dead, at(55)), Action::SendJobMessage(6));
        assert_eq!(expired(action(&dead, at(61))), "job_timed_out");
    }

    #[test]
    fn job_that_waits_for_an_attempt_fails_at_its_run_limit() {
        let mut job = queued().limited(limits(1, 60));
        (job.started_at, job.retry_at) = (Some(at(0)), Some(at(300)));
        assert_eq!(action(&job, at(40)), Action::CheckAgain(21));
        assert_eq!(expired(action(&job, at(61))), "job_timed_out");
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
