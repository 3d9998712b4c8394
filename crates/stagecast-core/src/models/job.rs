//! The item of a job.

mod keys;
mod lease;
mod waiting;

use std::collections::BTreeMap;

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stage_pipeline::Estimate;
use stagecast_contract::{
    ids::{AccessKey, JobId, RequestId},
    limits::JOB_TTL_SECONDS,
    messages::{JobError, JobStatus, WorkAmount},
    retention::JobRetention,
    tables::{JobKey, Jobs},
    timestamp::Timestamp,
    webhooks::JobWebhook,
    worker_queues::QueueName,
};
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
    /// The owner, if an owner token has created the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
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
    /// The webhook of the job's durable messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<JobWebhook>,
    /// Why the job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The job that an operator has retried by creating this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// The id of the job that an operator creates to retry this one. It is written before that job exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_as: Option<JobId>,
    /// When `retried_as` was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_at: Option<Timestamp>,
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
            owner: None,
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
            webhook: None,
            error: None,
            retry_of: None,
            retried_as: None,
            retried_at: None,
            created_at: now,
            updated_at: now,
            expires_at: now.plus_seconds(JOB_TTL_SECONDS).epoch_seconds(),
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

    /// Why the upload of the input has failed.
    pub fn upload_failure(&self) -> Option<&JobError> {
        self.upload.as_ref()?.failure.as_ref()
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
    use stagecast_contract::ids::WorkerKey;

    use super::{keys::FORMER_KEY_DIGITS, *};

    pub(super) const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    pub(super) fn job(key: &AccessKey) -> Job {
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
}
