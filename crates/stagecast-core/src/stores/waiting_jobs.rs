//! The jobs that wait in the queues of external workers, and those of owners that run.
//!
//! An entry is stored before the write that makes its job claimable, and deleted after the claim. So a claimable
//! job has an entry, and an entry may have no claimable job. Each deletion is conditional on the claim for which
//! the entry was stored: a late request deletes no entry that was stored after it began.
//!
//! The entry of a job with an owner is in the owner's part of the queue. The queue itself has one item for each
//! owner and priority (`owners.rs`), stored after the entry, so that a claim reads owners instead of all their jobs.

mod owners;
mod running;

use aws_sdk_dynamodb::types::AttributeValue;
use granted_aws::{Database, number, text};
use stagecast_contract::{
    tables::{WorkQueueKey, WorkQueues},
    worker_queues::QueueName,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, Granted, PutItem, Query, UpdateItem},
    tables::Record as _,
};

use super::{StoreError, error::condition_met};
use crate::{
    clock::{Clock, random},
    models::{Job, OwnerQueue, WAITING_PREFIX, WaitingJob},
};

pub use owners::WaitingOwners;
pub use running::{FreesSlots, Reserved};

/// The entries of waiting jobs in `work_queues`.
#[derive(Debug)]
pub struct WaitingJobStore<F> {
    database: Database<F>,
    clock: Clock,
}

impl<F> Clone for WaitingJobStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<F: Function> WaitingJobStore<F> {
    /// A store of entries in the table of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Stores the entry of a job that becomes claimable, and then the item of its owner. Idempotent. Does nothing for
    /// a job without a queue.
    pub async fn put(&self, job: &Job) -> Result<(), StoreError>
    where
        F: Granted<PutItem<WorkQueues>> + Granted<UpdateItem<WorkQueues>>,
    {
        let Some(entry) = WaitingJob::of(job, self.clock.now()) else {
            return Ok(());
        };
        let answer = self
            .database
            .put_item::<WaitingJob>()
            .set_item(Some(entry.to_dynamodb_item()?))
            // A late request replaces no entry of a later claim.
            .condition_expression("attribute_not_exists(epoch) OR epoch <= :epoch")
            .expression_attribute_values(":epoch", number(entry.epoch))
            .send()
            .await;
        condition_met("storing the job's entry in its queue", answer)?;
        if let Some(part) = OwnerQueue::of(job) {
            // After the entry: a claim deletes an item that it has read before it found no entry.
            self.put_owner(&part, entry.priority(), None).await?;
        }
        Ok(())
    }

    /// Up to `limit` entries of the queue itself after `after`, read consistently, the first one to claim first. Those
    /// of jobs with an owner are in the owner's part.
    pub async fn first(
        &self,
        queue: &QueueName,
        after: Option<&WaitingJob>,
        limit: i32,
    ) -> Result<Vec<WaitingJob>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        self.entries(queue.as_str(), WAITING_PREFIX, after, limit)
            .await
    }

    /// Up to `limit` entries of an owner's part of a queue with this priority, read consistently, the oldest first.
    pub async fn first_of(
        &self,
        part: &OwnerQueue,
        priority: u8,
        limit: i32,
    ) -> Result<Vec<WaitingJob>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let prefix = WaitingJob::prefix_of(priority);
        self.entries(&part.partition(), &prefix, None, limit).await
    }

    async fn entries(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&WaitingJob>,
        limit: i32,
    ) -> Result<Vec<WaitingJob>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let mut query = self
            .database
            .query::<WorkQueues>()
            .consistent_read(true)
            .key_condition_expression("#queue = :queue AND begins_with(#entry, :prefix)")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":queue", text(partition))
            .expression_attribute_values(":prefix", text(prefix))
            .limit(limit);
        if let Some(after) = after {
            let WorkQueueKey { queue, entry } = after.key();
            query = query
                .exclusive_start_key("queue", text(queue))
                .exclusive_start_key("entry", text(entry));
        }
        let answer = query
            .send()
            .await
            .map_err(StoreError::of("reading the queue"))?;
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items
            .map(WaitingJob::from_dynamodb_item)
            .collect::<Result<_, _>>()?)
    }

    /// Up to `limit` entries of the queue for an operator, read consistently: the highest priority first, then the oldest.
    /// Those of owners at their limit of running jobs are missing, because the queue does not name these owners.
    pub async fn list(&self, queue: &QueueName, limit: usize) -> Result<Vec<WaitingJob>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let mut entries = self.all_entries(queue.as_str(), limit).await?;
        for part in self.parts(queue, limit).await? {
            entries.extend(self.all_entries(&part.partition(), limit).await?);
        }
        entries.sort_by(|one, other| one.key().entry.cmp(other.key().entry));
        entries.truncate(limit);
        Ok(entries)
    }

    /// Up to `limit` entries of a partition.
    async fn all_entries(
        &self,
        partition: &str,
        limit: usize,
    ) -> Result<Vec<WaitingJob>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let mut entries: Vec<WaitingJob> = Vec::new();
        while entries.len() < limit {
            let wanted = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let page = self.entries(partition, WAITING_PREFIX, entries.last(), wanted);
            let page = page.await?;
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        Ok(entries)
    }

    /// Deletes an entry that was stored for an earlier claim than that of `job`. An entry that was stored since
    /// stays.
    pub async fn delete_claimed(&self, entry: &WaitingJob, job: &Job) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        self.delete(entry, "epoch < :epoch", [(":epoch", number(job.epoch))])
            .await
    }

    /// Deletes an entry that has not been stored again since it was read.
    pub async fn delete_unchanged(&self, entry: &WaitingJob) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        let read = [
            (":epoch", number(entry.epoch)),
            (":stored_at", text(entry.stored_at)),
        ];
        self.delete(entry, "epoch = :epoch AND stored_at = :stored_at", read)
            .await
    }

    /// Deletes the entry of a job that has been claimed or has ended, if it has one.
    pub async fn delete_of(&self, job: &Job) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        let Some(entry) = WaitingJob::of(job, self.clock.now()) else {
            return Ok(());
        };
        if job.status.has_ended() {
            return self.delete(&entry, "attribute_exists(epoch)", []).await;
        }
        self.delete_claimed(&entry, job).await
    }

    async fn delete<const N: usize>(
        &self,
        entry: &WaitingJob,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        let mut delete = self
            .database
            .delete_item(&entry.key())
            .condition_expression(condition);
        for (name, value) in values {
            delete = delete.expression_attribute_values(name, value);
        }
        condition_met("deleting the job's entry in its queue", delete.send().await)?;
        Ok(())
    }
}

/// A text that no other call returns.
fn nonce() -> String {
    format!("{:016x}", u64::from_be_bytes(random()))
}
