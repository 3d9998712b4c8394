//! A job: its state and its lease.

use std::collections::BTreeMap;

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stage_pipeline::Estimate;
use stagecast_contract::{
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    limits::JOB_TTL_SECONDS,
    messages::{JobError, JobStatus, WorkAmount},
    retention::JobRetention,
    tables::{JobKey, Jobs},
    time_limits::JobLimits,
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use subtle::ConstantTimeEq;
use typed_contract::tables::Record;

use super::{InvalidItem, PendingUpload, SentRange, item};
use crate::hash::sha256_hex;

/// The version of the HTTP API.
const API_VERSION: &str = "v1";

/// An item of `jobs`. It is kept below one write unit (1 KB), because every progress update writes it:
/// inputs and large results are in the bucket, all other results in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The job.
    pub job_id: JobId,
    /// The status that clients see.
    pub status: JobStatus,
    /// The stage that is running or that ran last.
    #[serde(default)]
    pub stage: Option<String>,
    /// Percent of that stage.
    #[serde(default)]
    pub progress: u8,
    /// Percent of all stages.
    #[serde(default)]
    pub overall_progress: u8,
    /// The attempt at `stage`, from 1; 0 before the first stage.
    #[serde(default)]
    pub attempt: u32,
    /// The claim that makes this attempt.
    #[serde(default)]
    pub attempt_epoch: u64,
    /// The attempt at `stage` that has stored a checkpoint, if the latest one has. The next claim continues
    /// this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_attempt: Option<u32>,
    /// The number of attempts at `stage`, if it was attempted again after a temporary failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// When `attempt` starts, while the job waits for it after a temporary failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// What the stage is doing, in the words of its author.
    #[serde(default)]
    pub message: String,
    /// Seconds until the job ends, while known.
    #[serde(default)]
    pub estimated_seconds_remaining: Option<u64>,
    /// How much of the stage's work is done, in its own unit.
    #[serde(default, skip_serializing_if = "WorkAmount::is_absent")]
    pub work_amount: WorkAmount,
    /// The `seq` of the last durable message.
    pub seq: u64,
    /// The number of claims. Only the run of the latest claim may write.
    pub epoch: u64,
    /// When the lease of the latest claim ends, in epoch seconds.
    #[serde(default)]
    pub lease_expires_at: i64,
    /// Claims since the last stage that finished or checkpoint that was stored, without the refunded ones.
    #[serde(default)]
    pub attempts_without_progress: u32,
    /// The epochs of runs that were alive when they lost the lease.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_leases: Vec<u64>,
    /// The number of changes to the list of subscribers.
    pub subscribers_version: u64,
    /// Whether a client has requested the cancellation.
    #[serde(default)]
    pub cancel_requested: bool,
    /// The SHA-256 of the access key, in hexadecimal digits.
    pub access_key_sha256: String,
    /// The SHA-256 of the worker key, if an external worker runs the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_key_sha256: Option<String>,
    /// The beginning of the SHA-256 of the worker key of the claim before the latest one. It permits nothing: the
    /// holder of that key gets the error that it has lost its lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_key: Option<String>,
    /// The queue from which external workers claim the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The priority of the job in its queue, 0 to 9; the highest is claimed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Since when the job can be claimed, in epoch milliseconds: its place in its queue.
    #[serde(rename = "since", default, skip_serializing_if = "Option::is_none")]
    pub claimable_since: Option<i64>,
    /// The name of the external worker with the latest claim, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// The stages that the external worker runs, as its claim declared them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// The estimate of the external worker's remaining time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The id of the request that created the job.
    pub request_id: RequestId,
    /// The id that all messages and log records of the job have.
    pub correlation_id: String,
    /// The version of the HTTP API that created the job.
    pub api_version: String,
    /// The media type of the input.
    pub content_type: String,
    /// The labels that the creator of the job gave it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether the job has parameters, which are beside its log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_parameters: bool,
    /// The number of changes to the job's artifacts, which are beside its log; 0 if it has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub artifacts_revision: u64,
    /// The upload of the input, until it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<PendingUpload>,
    /// The finished stages, with the `seq` of their `stage_complete`, which contains the results.
    #[serde(default)]
    pub checkpoints: BTreeMap<String, u64>,
    /// The part of the log that was queued to be sent to all subscribers again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<SentRange>,
    /// When the job may be claimed at the earliest; at once if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// The limit of the time until the first claim, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_seconds: Option<u64>,
    /// The limit of the time from the first claim to the end, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_seconds: Option<u64>,
    /// The last second in which the job can be claimed for the first time, if it is limited. Unknown while
    /// the job awaits its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<Timestamp>,
    /// When the job was claimed for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Why the job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// When the job was created.
    pub created_at: Timestamp,
    /// When the snapshot last changed.
    pub updated_at: Timestamp,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

/// The message of a job whose input is not uploaded yet.
pub(super) const WAITING_FOR_INPUT: &str = "Waiting for the input...";
/// The message of a queued job of the pipeline.
pub(super) const WAITING_FOR_PIPELINE: &str = "Waiting for a pipeline...";
/// The message of a queued job of an external worker.
pub(super) const WAITING_FOR_WORKER: &str = "Waiting for a worker...";

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A time in milliseconds since the Unix epoch.
const fn millis(time: Timestamp) -> i64 {
    time.epoch_seconds().saturating_mul(1000)
}

/// Digits of [`Job::former_key`](field@Job::former_key).
const FORMER_KEY_DIGITS: usize = 8;

fn has_hash(hash: &str, key: &str) -> bool {
    sha256_hex(key).as_bytes().ct_eq(hash.as_bytes()).into()
}

impl Record for Job {
    type Table = Jobs;

    fn key(&self) -> JobKey<'_> {
        JobKey {
            job_id: self.job_id.as_str(),
        }
    }
}

impl Job {
    /// A new job that waits for the pipeline, and expires after [`JobRetention::DEFAULT`].
    pub fn queued(
        job_id: JobId,
        key: &AccessKey,
        request_id: RequestId,
        correlation_id: String,
        content_type: String,
        now: Timestamp,
    ) -> Self {
        Self {
            job_id,
            status: JobStatus::Queued,
            stage: None,
            progress: 0,
            overall_progress: 0,
            attempt: 0,
            attempt_epoch: 0,
            checkpoint_attempt: None,
            max_attempts: None,
            retry_at: None,
            message: WAITING_FOR_PIPELINE.to_owned(),
            estimated_seconds_remaining: None,
            work_amount: WorkAmount::default(),
            seq: 0,
            epoch: 0,
            lease_expires_at: 0,
            attempts_without_progress: 0,
            lost_leases: Vec::new(),
            subscribers_version: 0,
            cancel_requested: false,
            access_key_sha256: sha256_hex(key.reveal()),
            worker_key_sha256: None,
            former_key: None,
            queue: None,
            priority: None,
            claimable_since: None,
            worker_id: None,
            stages: Vec::new(),
            estimate: None,
            request_id,
            correlation_id,
            api_version: API_VERSION.to_owned(),
            content_type,
            labels: BTreeMap::new(),
            has_parameters: false,
            artifacts_revision: 0,
            upload: None,
            checkpoints: BTreeMap::new(),
            redelivered: None,
            run_at: None,
            queue_seconds: None,
            run_seconds: None,
            claim_by: None,
            started_at: None,
            error: None,
            created_at: now,
            updated_at: now,
            expires_at: now.plus_seconds(JOB_TTL_SECONDS).epoch_seconds(),
        }
    }

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

    /// The same job, which expires after this time.
    #[must_use]
    pub fn kept_for(mut self, retention: JobRetention) -> Self {
        self.expires_at = self
            .created_at
            .plus_seconds(retention.seconds())
            .epoch_seconds();
        self
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

    /// The same job with these time limits.
    #[must_use]
    pub fn limited(mut self, limits: JobLimits) -> Self {
        self.queue_seconds = limits.queue_seconds;
        self.run_seconds = limits.run_seconds;
        self.claim_by = self.claim_by_if_queued_at(self.created_at);
        self
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

    /// Why the upload of the input has failed.
    pub fn upload_failure(&self) -> Option<&JobError> {
        self.upload.as_ref()?.failure.as_ref()
    }

    /// Whether `key` is the job's access key. Takes the same time for every key.
    pub fn verify_access_key(&self, key: &AccessKey) -> bool {
        has_hash(&self.access_key_sha256, key.reveal())
    }

    /// Whether `key` is the job's worker key. Takes the same time for every key.
    pub fn verify_worker_key(&self, key: &WorkerKey) -> bool {
        let hash = self.worker_key_sha256.as_deref();
        hash.is_some_and(|hash| has_hash(hash, key.reveal()))
    }

    /// [`Self::former_key`](field@Job::former_key) after a claim that writes another key; none if the job has no key.
    pub(crate) fn former_key_after_claim(&self) -> Option<&str> {
        self.worker_key_sha256.as_deref()?.get(..FORMER_KEY_DIGITS)
    }

    /// Whether `key` is the worker key of the claim before the latest one.
    pub fn is_former_key(&self, key: &WorkerKey) -> bool {
        let hash = sha256_hex(key.reveal());
        let beginning = self.former_key.as_deref();
        beginning.is_some_and(|it| {
            it.as_bytes()
                .ct_eq(&hash.as_bytes()[..FORMER_KEY_DIGITS])
                .into()
        })
    }

    /// Whether no run and no worker holds the job at `now`: it awaits its input, it is queued, or its lease has ended. No
    /// process would notice the cancellation of such a job.
    pub fn is_unattended(&self, now: Timestamp) -> bool {
        match self.status {
            JobStatus::AwaitingInput | JobStatus::Queued => true,
            JobStatus::Running => self.lease_expires_at < now.epoch_seconds(),
            JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => false,
        }
    }

    /// Whether the last commit was made after the lease had ended. It may not have been sent, if the
    /// process that made it was interrupted. Also true after a late write of the lease's holder.
    pub fn is_committed_without_lease(&self) -> bool {
        self.status != JobStatus::Queued
            && self.seq > 0
            && self.lease_expires_at < self.updated_at.epoch_seconds()
    }

    /// Whether an external worker runs the job, instead of the pipeline.
    pub fn is_external(&self) -> bool {
        self.worker_key_sha256.is_some() || self.queue.is_some()
    }

    /// The number of the attempt at `stage` that the claim `epoch` makes: one more than an earlier claim's,
    /// if the stage was running when the job was claimed, and had stored no checkpoint in that attempt.
    pub fn attempt_at(&self, stage: &str, epoch: u64) -> u32 {
        if self.stage.as_deref() != Some(stage) {
            return 1;
        }
        let attempt = self.attempt.max(1);
        if self.attempt_epoch == epoch
            || self.retry_at.is_some()
            || self.checkpoint_attempt == Some(attempt)
            || self.checkpoints.contains_key(stage)
        {
            attempt
        } else {
            attempt + 1
        }
    }

    /// How many of the claims in [`Self::attempts_without_progress`] lost their lease to the next claim
    /// while their runs were alive.
    pub fn recently_lost_leases(&self) -> usize {
        let first = self
            .epoch
            .saturating_sub(u64::from(self.attempts_without_progress));
        let recent = self.lost_leases.iter();
        recent
            .filter(|epoch| (first + 1..self.epoch).contains(*epoch))
            .count()
    }

    /// Whether the item has not expired at `now`. DynamoDB deletes expired items up to days later.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.epoch_seconds() < self.expires_at
    }

    /// The job as an item of `jobs`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<Jobs>(self)
    }

    /// The job that an item of `jobs` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<Jobs, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use stage_pipeline::{StageDuration, StageHistory, StageOutlook};

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn job(key: &AccessKey) -> Job {
        Job::queued(
            JobId::new(NOW, [1; 8]),
            key,
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        )
    }

    #[test]
    fn job_is_read_as_it_was_written() {
        let mut job = job(&AccessKey::new([3; 16]));
        job.checkpoints.insert("stage_1".to_owned(), 1);
        job.lost_leases = vec![1, 3];
        job.error = Some(JobError {
            code: "no_walls".to_owned(),
            message: "None.".to_owned(),
        });
        let item = job.to_dynamodb_item().unwrap();
        assert_eq!(Job::from_dynamodb_item(item).unwrap(), job);
    }

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
    fn former_key_is_recognized_by_its_beginning() {
        let (old, new) = (WorkerKey::new([4; 16]), WorkerKey::new([5; 16]));
        let mut job = job(&AccessKey::new([3; 16])).for_external_worker(&old);
        job.former_key = job.former_key_after_claim().map(str::to_owned);
        job = job.for_external_worker(&new);
        assert!(job.is_former_key(&old) && !job.is_former_key(&new));
        assert!(job.verify_worker_key(&new) && !job.verify_worker_key(&old));
        assert_eq!(job.former_key.map(|it| it.len()), Some(FORMER_KEY_DIGITS));
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

    #[test]
    fn only_leases_lost_since_the_last_finished_stage_count() {
        let mut job = job(&AccessKey::new([3; 16]));
        job.epoch = 9;
        job.attempts_without_progress = 4;
        // The four claims are 6 to 9; the stage finished under claim 5.
        job.lost_leases = vec![2, 5, 6, 8];
        assert_eq!(job.recently_lost_leases(), 2);
    }

    #[test]
    fn attempt_is_counted_by_claim_and_starts_anew_with_each_stage() {
        let mut job = job(&AccessKey::new([3; 16]));
        job.epoch = 1;
        assert_eq!(job.attempt_at("a", 1), 1);
        job.stage = Some("a".to_owned());
        (job.attempt, job.attempt_epoch) = (1, 1);
        assert_eq!(job.attempt_at("a", 1), 1);
        // Claimed again, in the middle of the stage.
        assert_eq!(job.attempt_at("a", 2), 2);
        assert_eq!(job.attempt_at("b", 2), 1);
        job.checkpoint_attempt = Some(1);
        assert_eq!(job.attempt_at("a", 2), 1, "it continues");
        (job.attempt, job.attempt_epoch) = (2, 2);
        assert_eq!(
            job.attempt_at("a", 3),
            3,
            "the second attempt has stored none"
        );
        job.retry_at = Some(NOW);
        assert_eq!(
            job.attempt_at("a", 3),
            2,
            "the second attempt has not started"
        );
        (job.attempt, job.attempt_epoch, job.retry_at) = (1, 1, None);
        job.checkpoint_attempt = None;
        job.checkpoints.insert("a".to_owned(), 1);
        assert_eq!(job.attempt_at("a", 2), 1);
    }

    #[test]
    fn commit_without_a_lease_is_recognized_by_its_time() {
        let mut job = job(&AccessKey::new([3; 16]));
        (job.seq, job.lease_expires_at) = (1, 0);
        assert!(!job.is_committed_without_lease(), "it waits");
        for status in [
            JobStatus::Running,
            JobStatus::Completed,
            JobStatus::Cancelled,
        ] {
            job.status = status;
            job.lease_expires_at = job.updated_at.epoch_seconds();
            assert!(!job.is_committed_without_lease());
            job.lease_expires_at -= 1;
            assert!(job.is_committed_without_lease());
            // A worker that returned, or a new claim, has renewed the lease.
            job.lease_expires_at += 30;
            assert!(!job.is_committed_without_lease());
        }
    }

    #[test]
    fn job_is_unattended_while_queued_and_after_its_lease() {
        let mut job = job(&AccessKey::new([3; 16]));
        assert!(job.is_unattended(NOW));
        job.status = JobStatus::Running;
        job.lease_expires_at = NOW.epoch_seconds();
        assert!(!job.is_unattended(NOW));
        assert!(job.is_unattended(NOW.plus_seconds(1)));
        job.status = JobStatus::Failed;
        assert!(!job.is_unattended(NOW.plus_seconds(1)));
    }

    #[test]
    fn only_the_access_key_is_accepted_and_it_is_not_stored() {
        let key = AccessKey::new([3; 16]);
        let job = job(&key);
        assert!(job.verify_access_key(&key));
        assert!(!job.verify_access_key(&AccessKey::new([4; 16])));
        assert!(!format!("{:?}", job.to_dynamodb_item().unwrap()).contains(key.reveal()));
    }

    #[test]
    fn worker_key_and_access_key_do_not_replace_each_other() {
        let (access, worker) = (AccessKey::new([3; 16]), WorkerKey::new([4; 16]));
        assert!(!job(&access).verify_worker_key(&worker));
        let job = job(&access).for_external_worker(&worker);
        assert!(job.verify_worker_key(&worker));
        assert!(!job.verify_worker_key(&WorkerKey::from_client(access.reveal())));
        assert!(!job.verify_access_key(&AccessKey::from_client(worker.reveal())));
        let item = format!("{:?}", job.to_dynamodb_item().unwrap());
        assert!(!item.contains(worker.reveal()));
    }

    #[test]
    fn item_of_a_running_job_costs_one_write_unit() {
        let mut job = job(&AccessKey::new([3; 16])).for_external_worker(&WorkerKey::new([4; 16]));
        job.stages = vec!["split_pages".to_owned(), "count_words".to_owned()];
        job.worker_id = Some("worker-1".to_owned());
        job.checkpoints.insert("split_pages".to_owned(), 1);
        job.message = "Counting the words of page 12 of 340...".to_owned();
        job.work_amount = WorkAmount {
            completed: Some(1_234_567),
            total: Some(7_654_321),
            unit: Some("words".to_owned()),
            indeterminate: false,
        };
        let mut history = StageHistory::default();
        for seconds in [12.3, 17.9] {
            history.record(StageDuration::of_seconds(seconds));
        }
        let mut estimate = Estimate::default();
        let at = |step: u32| {
            std::time::Duration::from_millis(1_705_314_615_123 + u64::from(step) * 1234)
        };
        estimate.start_stage(at(0), StageOutlook::of(&[1.0, 1.0], &[history; 2], 0));
        for step in 1..=7 {
            estimate.observe(at(step), f64::from(step) / 14.3);
        }
        job.estimate = Some(estimate);
        job.has_parameters = true;
        job.artifacts_revision = 12;
        job.started_at = Some(job.created_at);
        let size = |job: &Job| -> usize {
            let item = job.to_dynamodb_item().unwrap();
            let sizes = item.iter().map(|(name, it)| name.len() + size_of(it));
            sizes.sum()
        };
        assert!(
            size(&job) <= 1024,
            "{} bytes are two write units",
            size(&job)
        );
        // The attributes of a queue take the place of an amount of work. With both, it can be two units.
        job.former_key = Some("0".repeat(FORMER_KEY_DIGITS));
        job = job.in_queue("transcripts".parse().unwrap(), Some(9), 1_705_314_615_123);
        job.message = "Counting the words of page 12 of 340...".to_owned();
        job.work_amount = WorkAmount::default();
        assert!(
            size(&job) <= 1024,
            "{} bytes are two write units",
            size(&job)
        );
    }

    /// About the size that DynamoDB bills.
    fn size_of(value: &aws_sdk_dynamodb::types::AttributeValue) -> usize {
        use aws_sdk_dynamodb::types::AttributeValue as Value;
        match value {
            Value::S(text) => text.len(),
            Value::N(number) => number.len().div_ceil(2) + 1,
            Value::L(items) => 3 + items.iter().map(|item| 1 + size_of(item)).sum::<usize>(),
            Value::M(items) => {
                let items = items.iter();
                3 + items
                    .map(|(name, it)| 1 + name.len() + size_of(it))
                    .sum::<usize>()
            }
            _ => 1,
        }
    }

    #[test]
    fn hash_of_a_key_is_its_sha_256() {
        assert_eq!(
            sha256_hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
