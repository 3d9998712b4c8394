//! A job before its claim: what it waits for, its place in its queue, and since when it can be claimed.

use stagecast_contract::{
    ids::WorkerKey, messages::JobStatus, timestamp::Timestamp, worker_queues::QueueName,
};

use super::{
    super::PendingUpload, Job, WAITING_FOR_INPUT, WAITING_FOR_PIPELINE, WAITING_FOR_WORKER,
};
use crate::hash::sha256_hex;

/// A time in milliseconds since the Unix epoch.
const fn millis(time: Timestamp) -> i64 {
    time.epoch_seconds().saturating_mul(1000)
}

impl Job {
    /// The same job for an external worker, which authenticates with `key`.
    #[must_use]
    pub fn for_external_worker(mut self, key: &WorkerKey) -> Self {
        self.worker_key_sha256 = Some(sha256_hex(key.reveal()));
        WAITING_FOR_WORKER.clone_into(&mut self.message);
        self
    }

    /// The same job, which waits in a queue of external workers from `now_millis` on, in milliseconds since the Unix
    /// epoch, or from its start if that is later. Each claim from the queue gives it a new worker key.
    #[must_use]
    pub fn in_queue(mut self, queue: QueueName, priority: Option<u8>, now_millis: u64) -> Self {
        let since = i64::try_from(now_millis).unwrap_or(i64::MAX);
        self.queue = Some(queue);
        self.priority = priority;
        self.claimable_since = Some(since.max(self.run_at.map_or(0, millis)));
        WAITING_FOR_WORKER.clone_into(&mut self.message);
        self
    }

    /// The same job after its worker has handed it back. It can be claimed at once, or from `due` on.
    #[must_use]
    pub(crate) fn released_until(&self, due: Option<Timestamp>) -> Self {
        let mut released = self.clone();
        released.status = JobStatus::Queued;
        released.lease_expires_at = 0;
        released.attempts_without_progress = self.attempts_without_progress.saturating_sub(1);
        if let Some(due) = due {
            released.run_at = Some(due);
            released.claimable_since = self.claimable_since.map(|_| millis(due));
        }
        released
    }

    /// Whether the worker of the claim `epoch` has handed the job back, and no other claim was made since.
    pub fn is_released_by(&self, epoch: u64) -> bool {
        self.status == JobStatus::Queued && epoch > 0 && self.epoch == epoch
    }

    /// Whether a worker can claim the job at `now`: it is queued and may start, or its lease has ended.
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        match self.status {
            JobStatus::Queued => self.seconds_until_start(now) == 0,
            JobStatus::Running => self.lease_expires_at < now.epoch_seconds(),
            JobStatus::AwaitingInput
            | JobStatus::Completed
            | JobStatus::Failed
            | JobStatus::Cancelled => false,
        }
    }

    /// The same job, which may not start before `run_at`.
    #[must_use]
    pub fn starting_at(mut self, run_at: Option<Timestamp>) -> Self {
        self.run_at = run_at;
        if let (Some(since), Some(run_at)) = (&mut self.claimable_since, run_at) {
            *since = (*since).max(millis(run_at));
        }
        self.claim_by = self.claim_by_if_queued_at(self.created_at);
        self
    }

    /// Seconds from `now` until the job may start; 0 if it may.
    pub fn seconds_until_start(&self, now: Timestamp) -> i64 {
        let start = self.run_at.map_or(0, Timestamp::epoch_seconds);
        (start - now.epoch_seconds()).max(0)
    }

    /// The same job, which waits for its input to be uploaded.
    #[must_use]
    pub fn awaiting(mut self, upload: PendingUpload) -> Self {
        self.status = JobStatus::AwaitingInput;
        WAITING_FOR_INPUT.clone_into(&mut self.message);
        self.upload = Some(upload);
        self.claim_by = None;
        self
    }

    /// The message of the job while it is queued.
    pub(crate) fn queued_message(&self) -> &'static str {
        if self.is_external() {
            WAITING_FOR_WORKER
        } else {
            WAITING_FOR_PIPELINE
        }
    }

    /// Whether an external worker runs the job, instead of the pipeline.
    pub fn is_external(&self) -> bool {
        self.worker_key_sha256.is_some() || self.queue.is_some()
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::AccessKey;

    use super::{
        super::tests::{NOW, job},
        *,
    };

    #[test]
    fn place_in_the_queue_is_by_creation_or_by_a_later_start() {
        let queue = || "plans".parse().unwrap();
        let key = AccessKey::new([3; 16]);
        let millis = 1_705_314_615_123;
        let now = job(&key).in_queue(queue(), None, millis);
        assert_eq!(now.claimable_since, Some(1_705_314_615_123));
        assert!(now.is_external() && now.is_claimable(NOW));
        let start = Some(NOW.plus_seconds(60));
        for later in [
            job(&key).in_queue(queue(), None, millis).starting_at(start),
            job(&key).starting_at(start).in_queue(queue(), None, millis),
        ] {
            assert_eq!(later.claimable_since, Some(1_705_314_675_000));
            assert!(!later.is_claimable(NOW) && later.is_claimable(NOW.plus_seconds(60)));
        }
    }

    #[test]
    fn release_refunds_the_attempt_and_may_move_the_job_back() {
        let mut job = job(&AccessKey::new([3; 16])).in_queue("plans".parse().unwrap(), None, 5_000);
        job.status = JobStatus::Running;
        (
            job.epoch,
            job.attempts_without_progress,
            job.lease_expires_at,
        ) = (3, 2, 77);
        let at_once = job.released_until(None);
        assert!(at_once.is_released_by(3) && !at_once.is_released_by(2));
        assert_eq!(at_once.attempts_without_progress, 1);
        assert_eq!(
            (at_once.run_at, at_once.claimable_since),
            (None, Some(5_000))
        );
        let due = NOW.plus_seconds(9);
        let later = job.released_until(Some(due));
        assert_eq!(later.claimable_since, Some(due.epoch_seconds() * 1000));
        assert_eq!(later.run_at, Some(due));
    }
}
