//! When a client that watches a job over HTTP should ask again.

use std::ops::RangeInclusive;

use stagecast_contract::{
    limits::MAX_RETRY_AFTER_SECONDS,
    messages::{JobSnapshot, JobStatus},
    timestamp::Timestamp,
};

/// The interval is this part of the remaining time, or of the time that the job waits or runs already.
const FRACTION: u64 = 20;
/// The interval while the remaining time is known, in seconds.
const KNOWN_REMAINING: RangeInclusive<u32> = 1..=30;
/// The interval while the remaining time is unknown, in seconds.
const UNKNOWN_REMAINING: RangeInclusive<u32> = 2..=5;
/// The interval while the job is queued, in seconds.
const QUEUED: RangeInclusive<u32> = 2..=30;
/// The interval while the input is awaited, in seconds.
const AWAITING_INPUT: RangeInclusive<u32> = 10..=MAX_RETRY_AFTER_SECONDS;
/// The interval while the job waits for the next attempt of a stage, in seconds. It may be cancelled meanwhile.
const NEXT_ATTEMPT: RangeInclusive<u32> = 1..=30;
/// The interval while a cancellation is about to take effect, in seconds.
const CANCELLING: u32 = 1;

/// Seconds until the next request for events is worthwhile, at most [`MAX_RETRY_AFTER_SECONDS`]: 0 if `more`
/// events are in the log already, none if the job has ended and the client has all of them.
pub(crate) fn retry_after(
    snapshot: &JobSnapshot,
    more: bool,
    cancel_requested: bool,
    now: Timestamp,
) -> Option<u32> {
    if more {
        return Some(0);
    }
    let part = |seconds: u64, range| within(seconds.div_ceil(FRACTION), range);
    let since = |start| seconds_between(start, now);
    let seconds = match snapshot.status {
        JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => return None,
        _ if cancel_requested => CANCELLING,
        JobStatus::AwaitingInput => part(since(snapshot.created_at), AWAITING_INPUT),
        // The status changed when the input was complete.
        JobStatus::Queued => match snapshot.run_at {
            Some(start) if start > now => within(seconds_between(now, start), QUEUED),
            start => part(
                since(
                    snapshot
                        .updated_at
                        .max(start.unwrap_or(snapshot.updated_at)),
                ),
                QUEUED,
            ),
        },
        JobStatus::Running => match (snapshot.retry_at, snapshot.estimated_seconds_remaining) {
            (Some(start), _) if start > now => within(seconds_between(now, start), NEXT_ATTEMPT),
            (_, Some(remaining)) => part(remaining, KNOWN_REMAINING),
            (_, None) => part(since(snapshot.created_at), UNKNOWN_REMAINING),
        },
    };
    Some(seconds)
}

/// Seconds from `start` to `end`; 0 if that is in the past, because clocks differ.
fn seconds_between(start: Timestamp, end: Timestamp) -> u64 {
    let seconds = end.epoch_seconds().saturating_sub(start.epoch_seconds());
    u64::try_from(seconds).unwrap_or(0)
}

fn within(seconds: u64, range: RangeInclusive<u32>) -> u32 {
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    seconds.clamp(*range.start(), *range.end())
}

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::{AccessKey, JobId, RequestId};
    use stagecast_core::models::Job;

    use super::*;

    const START: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn snapshot(status: JobStatus) -> JobSnapshot {
        let job = Job::queued(
            JobId::new(START, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(START, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            START,
        );
        JobSnapshot {
            status,
            ..job.snapshot()
        }
    }

    /// The interval for this status `age` seconds after the job's creation.
    fn at(status: JobStatus, age: i64) -> Option<u32> {
        retry_after(&snapshot(status), false, false, START.plus_seconds(age))
    }

    #[test]
    fn running_job_is_polled_by_a_twentieth_of_its_remaining_time() {
        let with_remaining = |seconds| {
            let snapshot = JobSnapshot {
                estimated_seconds_remaining: Some(seconds),
                ..snapshot(JobStatus::Running)
            };
            retry_after(&snapshot, false, false, START.plus_seconds(10_000))
        };
        let expected = [
            (0, 1),
            (1, 1),
            (20, 1),
            (21, 2),
            (100, 5),
            (600, 30),
            (u64::MAX, 30),
        ];
        for (remaining, interval) in expected {
            assert_eq!(with_remaining(remaining), Some(interval), "{remaining}");
        }
    }

    #[test]
    fn waiting_job_is_polled_less_often_the_longer_it_waits() {
        let expected = [
            (JobStatus::Running, [2, 2, 3, 5]),
            (JobStatus::Queued, [2, 2, 3, 30]),
            (JobStatus::AwaitingInput, [10, 10, 10, 60]),
        ];
        for (status, intervals) in expected {
            for (age, interval) in [-5, 10, 60, 86_400].into_iter().zip(intervals) {
                assert_eq!(at(status, age), Some(interval), "{status:?} after {age} s");
            }
        }
    }

    #[test]
    fn job_is_polled_when_it_starts() {
        let at = |start, now| {
            let snapshot = JobSnapshot {
                run_at: Some(START.plus_seconds(start)),
                ..snapshot(JobStatus::Queued)
            };
            retry_after(&snapshot, false, false, START.plus_seconds(now))
        };
        let with_start_in = |seconds| at(seconds, 0);
        assert_eq!(with_start_in(7), Some(7));
        assert_eq!(with_start_in(86_400), Some(30));
        // The start is due, or was a minute ago.
        assert_eq!(with_start_in(0), Some(2));
        assert_eq!(at(3600, 3660), Some(3));
    }

    #[test]
    fn job_is_polled_when_its_next_attempt_starts() {
        let with_retry_in = |seconds| {
            let snapshot = JobSnapshot {
                retry_at: Some(START.plus_seconds(seconds)),
                estimated_seconds_remaining: Some(200),
                ..snapshot(JobStatus::Running)
            };
            retry_after(&snapshot, false, false, START)
        };
        assert_eq!(with_retry_in(7), Some(7));
        assert_eq!(with_retry_in(900), Some(30));
        // The attempt has started.
        assert_eq!(with_retry_in(0), Some(10));
    }

    #[test]
    fn cancellation_is_noticed_within_a_second() {
        for status in [
            JobStatus::AwaitingInput,
            JobStatus::Queued,
            JobStatus::Running,
        ] {
            let seconds = retry_after(&snapshot(status), false, true, START);
            assert_eq!(seconds, Some(1), "{status:?}");
        }
    }

    #[test]
    fn ended_job_is_polled_only_for_the_rest_of_its_log() {
        for status in [
            JobStatus::Completed,
            JobStatus::Failed,
            JobStatus::Cancelled,
        ] {
            let after = |more| retry_after(&snapshot(status), more, true, START);
            assert_eq!((after(true), after(false)), (Some(0), None), "{status:?}");
        }
        assert_eq!(
            retry_after(&snapshot(JobStatus::Running), true, false, START),
            Some(0)
        );
    }
}
