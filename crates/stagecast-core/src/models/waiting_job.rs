//! A job that waits in a queue of external workers.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::JobId,
    tables::{WorkQueueKey, WorkQueues},
    timestamp::Timestamp,
    worker_queues::{DEFAULT_PRIORITY, MAX_PRIORITY},
};
use typed_contract::tables::Record;

use super::{InvalidItem, Job, OwnerQueue, item, sort_key::priority_in_key};

/// What precedes the order of a waiting job in the key of its item.
pub(crate) const PREFIX: &str = "waiting#";

/// An item of `work_queues`: an index entry of a job. Only the job's own item says whether the job can be claimed.
///
/// Its key is a function of the job's attributes, so that storing and deleting it can be repeated. In the order
/// of the keys, the highest priority is first, and within it the job that has waited for the longest time. The
/// partition is that of the queue or, for a job with an owner, that of the [owner's part](OwnerQueue) of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingJob {
    #[serde(rename = "queue")]
    partition: String,
    entry: String,
    /// The job.
    pub job_id: JobId,
    /// The number of claims of the job before it became claimable.
    pub epoch: u64,
    /// When the item was stored.
    pub stored_at: Timestamp,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for WaitingJob {
    type Table = WorkQueues;

    fn key(&self) -> WorkQueueKey<'_> {
        WorkQueueKey {
            queue: &self.partition,
            entry: &self.entry,
        }
    }
}

impl WaitingJob {
    /// The entry of `job`, which expires with it; none for a job without a queue.
    pub fn of(job: &Job, now: Timestamp) -> Option<Self> {
        let queue = job.queue.as_ref()?;
        let owned = OwnerQueue::of(job);
        let priority = job.priority.unwrap_or(DEFAULT_PRIORITY);
        let since = job
            .claimable_since
            .unwrap_or_else(|| job.created_at.epoch_seconds() * 1000);
        Some(Self {
            partition: owned.map_or_else(|| queue.as_str().to_owned(), |it| it.partition()),
            entry: format!("{}{since:013}#{}", Self::prefix_of(priority), job.job_id),
            job_id: job.job_id.clone(),
            epoch: job.epoch,
            stored_at: now,
            expires_at: job.expires_at,
        })
    }

    /// A sort key after those of all entries.
    pub(crate) const AFTER_ALL: &str = "waiting$";

    /// A sort key after those of the entries of a priority.
    pub(crate) fn after(priority: u8) -> String {
        format!("{PREFIX}{}$", MAX_PRIORITY.saturating_sub(priority))
    }

    /// What the sort keys of the entries of a priority begin with.
    pub(crate) fn prefix_of(priority: u8) -> String {
        format!("{PREFIX}{}#", MAX_PRIORITY.saturating_sub(priority))
    }

    /// The priority of the job, as the key has it.
    pub fn priority(&self) -> u8 {
        priority_in_key(&self.entry, PREFIX)
    }

    /// The entry as an item of `work_queues`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<WorkQueues>(self)
    }

    /// The entry that an item of `work_queues` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<WorkQueues, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::{AccessKey, RequestId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn waiting(id: u8, priority: Option<u8>, since: i64) -> WaitingJob {
        let mut job = Job::queued(
            JobId::new(NOW, [id; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        );
        job.queue = Some("plans".parse().expect("a name"));
        (job.priority, job.claimable_since) = (priority, Some(since));
        WaitingJob::of(&job, NOW).expect("it has a queue")
    }

    #[test]
    fn order_of_the_keys_is_by_priority_then_by_age() {
        let now = NOW.epoch_seconds() * 1000;
        let entries = [
            waiting(9, Some(9), now + 500),
            waiting(8, Some(6), now),
            waiting(3, None, now - 1),
            waiting(2, Some(5), now),
            waiting(4, Some(5), now),
            waiting(1, Some(0), 0),
        ];
        let keys: Vec<_> = entries.iter().map(|it| it.entry.clone()).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys[0].starts_with(PREFIX));
    }

    #[test]
    fn entry_is_read_as_it_was_written() {
        let entry = waiting(1, None, 7);
        let item = entry.to_dynamodb_item().expect("an item");
        assert_eq!(item["queue"].as_s().map(String::as_str), Ok("plans"));
        assert_eq!(WaitingJob::from_dynamodb_item(item).expect("valid"), entry);
    }
}
