//! The time limits of a job: when they are over, and with which error the job then fails.
//!
//! Times are whole seconds. A limit is over in the second after its deadline, so a job has at least the time
//! of its limit.

use std::time::Duration;

use stagecast_contract::{
    messages::{FailureCode, JobError, JobStatus},
    time_limits::JobLimits,
    timestamp::Timestamp,
};

use super::Job;

impl Job {
    /// The same job with these time limits.
    #[must_use]
    pub fn limited(mut self, limits: JobLimits) -> Self {
        self.queue_seconds = limits.queue_seconds;
        self.run_seconds = limits.run_seconds;
        self.claim_by = self.claim_by_if_queued_at(self.created_at);
        self
    }

    /// [`Self::claim_by`](field@Job::claim_by) of a job that has its input from `queued_at` on.
    pub(crate) fn claim_by_if_queued_at(&self, queued_at: Timestamp) -> Option<Timestamp> {
        let start = self.run_at.unwrap_or(queued_at).max(queued_at);
        Some(plus(start, self.queue_seconds?))
    }

    /// The job as it is once its input is complete at `now`.
    #[must_use]
    pub fn queued_at(&self, now: Timestamp) -> Self {
        Self {
            status: JobStatus::Queued,
            claim_by: self.claim_by_if_queued_at(now),
            upload: None,
            updated_at: now,
            ..self.clone()
        }
    }

    /// The last second of the limit that applies now: until the first claim in time that of the queue, and then
    /// that of the run. None if there is none.
    pub fn time_limit(&self) -> Option<Timestamp> {
        match self.started_at {
            None => self.claim_by,
            // A claim that was too late. Its holder ends the job, unless it dies before.
            Some(started_at) if self.claim_by.is_some_and(|limit| limit < started_at) => {
                self.claim_by
            }
            Some(started_at) => Some(plus(started_at, self.run_seconds?)),
        }
    }

    /// Whether the job was claimed before its time in the queue was over.
    pub fn is_claimed_in_time(&self) -> bool {
        self.started_at
            .is_some_and(|start| self.claim_by.is_none_or(|limit| start <= limit))
    }

    /// Seconds from `now` until the limit that applies now is over; 0 or less if it is.
    pub fn seconds_until_over_limit(&self, now: Timestamp) -> Option<i64> {
        let limit = self.time_limit()?;
        Some(limit.epoch_seconds() - now.epoch_seconds() + 1)
    }

    /// The error of a job that has exceeded one of its limits at `now`. None for a job that has ended or
    /// awaits its input.
    pub fn exceeded_limit(&self, now: Timestamp) -> Option<JobError> {
        if !matches!(self.status, JobStatus::Queued | JobStatus::Running) {
            return None;
        }
        let is_after = |limit: Timestamp, time: Timestamp| limit < time;
        let first_claim = self.started_at.unwrap_or(now);
        if self
            .claim_by
            .is_some_and(|limit| is_after(limit, first_claim))
        {
            return Some(self.queue_timeout());
        }
        let is_over = self.started_at.is_some()
            && self.time_limit().is_some_and(|limit| is_after(limit, now));
        is_over.then(|| self.timed_out(None))
    }

    /// The time from `now_millis`, in milliseconds since 1970, until a claimed job exceeds its limit. None if
    /// it has no limit.
    pub fn run_time_left(&self, now_millis: u64) -> Option<Duration> {
        self.started_at?;
        let over = u64::try_from(self.time_limit()?.epoch_seconds() + 1).unwrap_or(0) * 1000;
        Some(Duration::from_millis(over.saturating_sub(now_millis)))
    }

    fn queue_timeout(&self) -> JobError {
        let claimer = if self.is_external() {
            "external worker"
        } else {
            "run"
        };
        let seconds = self.queue_seconds.unwrap_or_default();
        JobError::of(
            FailureCode::QueueTimeout,
            format!(
                "no {claimer} claimed the job within its limit of {seconds} s; create it again with a \
                 longer `limits.queue_seconds`, or while fewer jobs wait"
            ),
        )
    }

    /// The error of a claimed job whose time is over. `detail` precedes the next step.
    pub(crate) fn timed_out(&self, detail: Option<&str>) -> JobError {
        let seconds = self.run_seconds.unwrap_or_default();
        let detail = detail
            .map(|detail| format!(" ({detail})"))
            .unwrap_or_default();
        let code = FailureCode::JobTimedOut.name();
        // The detail has any length, so the text is cut like that of a stage.
        JobError::of_stage(
            code,
            format!(
                "the job did not end within its limit of {seconds} s after its first claim{detail}; \
                 create it again with a longer `limits.run_seconds`, or with less work"
            ),
        )
    }
}

fn plus(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId, WorkerKey},
        time_limits::JobLimits,
    };

    use super::*;

    const CREATED: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn at(seconds: i64) -> Timestamp {
        CREATED.plus_seconds(seconds)
    }

    fn limited(queue_seconds: Option<u64>, run_seconds: Option<u64>) -> Job {
        Job::queued(
            JobId::new(CREATED, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(CREATED, [2; 8]),
            "req_1_a".to_owned(),
            "text/csv".to_owned(),
            CREATED,
        )
        .limited(JobLimits {
            queue_seconds,
            run_seconds,
        })
    }

    fn code(job: &Job, now: Timestamp) -> Option<String> {
        job.exceeded_limit(now).map(|error| error.code)
    }

    #[test]
    fn queue_limit_is_over_in_the_second_after_it() {
        let job = limited(Some(10), None);
        assert_eq!(code(&job, at(10)), None);
        assert_eq!(code(&job, at(11)).as_deref(), Some("queue_timeout"));
        assert_eq!(job.seconds_until_over_limit(at(4)), Some(7));
        assert_eq!(code(&limited(None, Some(1)), at(1_000)), None);
    }

    #[test]
    fn job_that_was_claimed_in_time_has_no_queue_limit_any_more() {
        let mut job = limited(Some(10), None);
        job.status = JobStatus::Running;
        job.started_at = Some(at(10));
        assert_eq!(code(&job, at(1_000)), None);
        assert_eq!(job.seconds_until_over_limit(at(4)), None);
        job.started_at = Some(at(11));
        assert_eq!(
            code(&job, at(11)).as_deref(),
            Some("queue_timeout"),
            "a late claim"
        );
    }

    #[test]
    fn queue_limit_counts_from_the_later_of_start_and_input() {
        let job = limited(Some(10), None).starting_at(Some(at(100)));
        assert_eq!(job.claim_by, Some(at(110)));
        assert_eq!(job.queued_at(at(50)).claim_by, Some(at(110)));
        assert_eq!(job.queued_at(at(150)).claim_by, Some(at(160)));
        assert_eq!(
            [0, 99, 100, 200].map(|it| job.seconds_until_start(at(it))),
            [100, 1, 0, 0]
        );
    }

    #[test]
    fn run_limit_counts_from_the_first_claim_also_while_the_job_is_queued() {
        let mut job = limited(Some(10), Some(60));
        job.started_at = Some(at(5));
        for status in [JobStatus::Running, JobStatus::Queued] {
            job.status = status;
            assert_eq!(code(&job, at(65)), None);
            assert_eq!(code(&job, at(66)).as_deref(), Some("job_timed_out"));
        }
        let millis = u64::try_from(at(60).epoch_seconds()).unwrap() * 1000 + 400;
        assert_eq!(
            job.run_time_left(millis),
            Some(Duration::from_millis(5_600))
        );
        assert_eq!(job.run_time_left(u64::MAX), Some(Duration::ZERO));
    }

    #[test]
    fn ended_and_awaiting_jobs_exceed_no_limit() {
        let mut job = limited(Some(1), Some(1));
        for status in [
            JobStatus::AwaitingInput,
            JobStatus::Completed,
            JobStatus::Failed,
            JobStatus::Cancelled,
        ] {
            job.status = status;
            assert_eq!(code(&job, at(1_000)), None, "{status:?}");
        }
    }

    #[test]
    fn errors_name_the_limit_and_who_did_not_come() {
        let job = limited(Some(7), Some(9));
        let error = job.exceeded_limit(at(100)).unwrap();
        assert!(error.message.contains("no run claimed") && error.message.contains("7 s"));
        let external = job.clone().for_external_worker(&WorkerKey::new([4; 16]));
        let error = external.exceeded_limit(at(100)).unwrap();
        assert!(
            error.message.contains("no external worker claimed"),
            "{error:?}"
        );
        let error = job.timed_out(Some("the archive is busy"));
        assert!(error.message.contains("9 s") && error.message.contains("(the archive is busy)"));
    }
}
