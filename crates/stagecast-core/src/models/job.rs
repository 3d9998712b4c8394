//! A job: its state and its lease.

use std::collections::BTreeMap;

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stage_pipeline::Estimate;
use stagecast_contract::{
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    limits::JOB_TTL_SECONDS,
    messages::{JobError, JobStatus},
    tables::{JobKey, Jobs},
    timestamp::Timestamp,
};
use subtle::ConstantTimeEq;
use typed_contract::tables::Record;

use super::{InvalidItem, SentRange, item};
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
    /// What the stage is doing, in the words of its author.
    #[serde(default)]
    pub message: String,
    /// Seconds until the job ends, while known.
    #[serde(default)]
    pub estimated_seconds_remaining: Option<u64>,
    /// The `seq` of the last durable message.
    pub seq: u64,
    /// The number of claims. Only the run of the latest claim may write.
    pub epoch: u64,
    /// When the lease of the latest claim ends, in epoch seconds.
    #[serde(default)]
    pub lease_expires_at: i64,
    /// Claims since the last stage that finished, without the refunded ones.
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
    /// The finished stages, with the `seq` of their `stage_complete`, which contains the results.
    #[serde(default)]
    pub checkpoints: BTreeMap<String, u64>,
    /// The part of the log that was queued to be sent to all subscribers again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<SentRange>,
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

/// The message of a queued job of the pipeline.
pub(super) const WAITING_FOR_PIPELINE: &str = "Waiting for a pipeline...";
/// The message of a queued job of an external worker.
pub(super) const WAITING_FOR_WORKER: &str = "Waiting for a worker...";

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
    /// A new job that waits for the pipeline.
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
            message: WAITING_FOR_PIPELINE.to_owned(),
            estimated_seconds_remaining: None,
            seq: 0,
            epoch: 0,
            lease_expires_at: 0,
            attempts_without_progress: 0,
            lost_leases: Vec::new(),
            subscribers_version: 0,
            cancel_requested: false,
            access_key_sha256: sha256_hex(key.reveal()),
            worker_key_sha256: None,
            worker_id: None,
            stages: Vec::new(),
            estimate: None,
            request_id,
            correlation_id,
            api_version: API_VERSION.to_owned(),
            content_type,
            checkpoints: BTreeMap::new(),
            redelivered: None,
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

    /// Whether `key` is the job's access key. Takes the same time for every key.
    pub fn verify_access_key(&self, key: &AccessKey) -> bool {
        has_hash(&self.access_key_sha256, key.reveal())
    }

    /// Whether `key` is the job's worker key. Takes the same time for every key.
    pub fn verify_worker_key(&self, key: &WorkerKey) -> bool {
        let hash = self.worker_key_sha256.as_deref();
        hash.is_some_and(|hash| has_hash(hash, key.reveal()))
    }

    /// Whether no run and no worker holds the job at `now`: it is queued, or its lease has ended. No
    /// process would notice the cancellation of such a job.
    pub fn is_unattended(&self, now: Timestamp) -> bool {
        match self.status {
            JobStatus::Queued => true,
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
        self.worker_key_sha256.is_some()
    }

    /// The number of the attempt at `stage` that the claim `epoch` makes: one more than an earlier claim's,
    /// if the stage was running when the job was claimed.
    pub fn attempt_at(&self, stage: &str, epoch: u64) -> u32 {
        if self.stage.as_deref() != Some(stage) {
            return 1;
        }
        let attempt = self.attempt.max(1);
        if self.attempt_epoch == epoch || self.checkpoints.contains_key(stage) {
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
        let mut estimate = Estimate::default();
        for step in 1..=3_u32 {
            estimate.observe(
                std::time::Duration::from_millis(1_705_314_615_123 + u64::from(step) * 1234),
                f64::from(step) / 7.0,
            );
        }
        job.estimate = Some(estimate);
        let size: usize = job
            .to_dynamodb_item()
            .unwrap()
            .iter()
            .map(|(name, value)| name.len() + size_of(value))
            .sum();
        assert!(size <= 1024, "{size} bytes are two write units");
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
