//! The part of a queue of external workers that has the jobs of one owner.
//!
//! | item of `work_queues` | in the partition of | leads to |
//! | --- | --- | --- |
//! | [`WaitingOwner`] | the queue | an owner with waiting jobs of a priority who is below the limit of running jobs |
//! | [`WaitingJob`](super::WaitingJob) | the part | a job that waits |
//! | [`RunningJob`] | the part | a job that runs, or that a request is about to claim |

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::JobId,
    retention::JobRetention,
    tables::{WorkQueueKey, WorkQueues},
    timestamp::Timestamp,
    worker_queues::{MAX_PRIORITY, QueueName},
};
use typed_contract::tables::Record;

use super::{InvalidItem, Job, item, sort_key::priority_in_key};
use crate::hash::sha256_hex;

/// What precedes the queue and the owner in the key of the partition. No name of a queue begins with it.
const PARTITION_PREFIX: &str = "#waiting#";

/// What precedes the priority in the sort key of a [`WaitingOwner`].
const OWNER_PREFIX: &str = "owner#";

/// What precedes the job's id in the sort key of a [`RunningJob`].
pub(crate) const RUNNING_PREFIX: &str = "running#";

/// Seconds for which the number of running jobs in a [`WaitingOwner`] is used. The end of a job does not update it.
const HINT_SECONDS: i64 = 60;

/// The part of a queue that has the jobs of one owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerQueue {
    /// The queue.
    pub queue: QueueName,
    /// The owner.
    pub owner: String,
}

impl OwnerQueue {
    /// The part to which the job belongs; none for a job without a queue or without an owner.
    pub fn of(job: &Job) -> Option<Self> {
        Some(Self {
            queue: job.queue.clone()?,
            owner: job.owner.clone()?,
        })
    }

    /// The key of the partition. An owner may contain any character, a queue no `#`, so no two parts share a key.
    pub(crate) fn partition(&self) -> String {
        format!("{PARTITION_PREFIX}{}#{}", self.queue, self.owner)
    }
}

/// An item of `work_queues`: an owner with waiting jobs of a priority, who is below the limit of running jobs. A claim
/// verifies both, and deletes the item if one is not true any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingOwner {
    /// The queue.
    pub queue: QueueName,
    entry: String,
    /// The owner.
    pub owner: String,
    /// Differs after each request that has made a job claimable or has freed a slot: a claim deletes no item
    /// that such a request has written since the claim read it.
    pub(crate) version: String,
    /// The number of the owner's running jobs in the queue, as of `counted_at`.
    #[serde(default)]
    running: u32,
    /// When `running` was counted, in epoch seconds.
    #[serde(default)]
    counted_at: i64,
    /// When the last job of the owner and the priority was claimed, or else since when the item exists, in epoch
    /// milliseconds.
    #[serde(default)]
    pub turn_at: i64,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for WaitingOwner {
    type Table = WorkQueues;

    fn key(&self) -> WorkQueueKey<'_> {
        WorkQueueKey {
            queue: self.queue.as_str(),
            entry: &self.entry,
        }
    }
}

impl WaitingOwner {
    /// A sort key after those of all owners.
    pub(crate) const AFTER_ALL: &str = "owner$";

    /// The sort key of the owner's item of a priority. The highest priority is first, and within it the owners are in
    /// the order of a hash, so that a read can begin at a random [`Self::position`].
    pub(crate) fn entry_of(owner: &str, priority: u8) -> String {
        let hash = sha256_hex(owner);
        format!("{}{}#{owner}", Self::prefix_of(priority), &hash[..4])
    }

    /// The sort key at which the fraction `part` of 65,536 of a priority's owners precede.
    pub(crate) fn position(priority: u8, part: u16) -> String {
        format!("{}{part:04x}", Self::prefix_of(priority))
    }

    /// A sort key after those of all owners of a priority.
    pub(crate) fn after(priority: u8) -> String {
        format!("{OWNER_PREFIX}{}$", MAX_PRIORITY.saturating_sub(priority))
    }

    fn prefix_of(priority: u8) -> String {
        format!("{OWNER_PREFIX}{}#", MAX_PRIORITY.saturating_sub(priority))
    }

    /// When an item that is written at `now` expires: after all of its jobs.
    pub(crate) fn expiry(now: Timestamp) -> i64 {
        const LONGEST: JobRetention = JobRetention::new(*JobRetention::LIMITS.end());
        now.epoch_seconds() + LONGEST.seconds()
    }

    /// The priority, as the key has it.
    pub fn priority(&self) -> u8 {
        priority_in_key(&self.entry, OWNER_PREFIX)
    }

    /// The number of the owner's running jobs as far as the item says; 0 once its count is too old.
    pub fn running_hint(&self, now: Timestamp) -> u32 {
        if now.epoch_seconds() - self.counted_at > HINT_SECONDS {
            return 0;
        }
        self.running
    }

    /// The owner's part of the queue.
    pub fn part(&self) -> OwnerQueue {
        OwnerQueue {
            queue: self.queue.clone(),
            owner: self.owner.clone(),
        }
    }

    /// The owner that an item of `work_queues` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<WorkQueues, _>(item)
    }
}

/// An item of `work_queues`: a job of an owner that runs, or that a request is about to claim. It takes one of the
/// owner's slots. It is stored before the claim, and deleted after the claim has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningJob {
    #[serde(rename = "queue")]
    partition: String,
    entry: String,
    /// The job.
    pub job_id: JobId,
    /// The number of the claim.
    pub epoch: u64,
    /// The request that has stored the item.
    pub(crate) reserved_by: String,
    /// When the item was stored.
    pub stored_at: Timestamp,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for RunningJob {
    type Table = WorkQueues;

    fn key(&self) -> WorkQueueKey<'_> {
        WorkQueueKey {
            queue: &self.partition,
            entry: &self.entry,
        }
    }
}

impl RunningJob {
    /// The item for the claim `epoch` of `job`, which expires with the job; none for a job that belongs to no part.
    /// `reserved_by` is unique.
    pub(crate) fn of(job: &Job, epoch: u64, reserved_by: String, now: Timestamp) -> Option<Self> {
        Some(Self {
            partition: OwnerQueue::of(job)?.partition(),
            entry: format!("{RUNNING_PREFIX}{}", job.job_id),
            job_id: job.job_id.clone(),
            epoch,
            reserved_by,
            stored_at: now,
            expires_at: job.expires_at,
        })
    }

    /// The item as an item of `work_queues`.
    pub(crate) fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<WorkQueues>(self)
    }

    /// The running job that an item of `work_queues` describes.
    pub(crate) fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<WorkQueues, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_in_the_order_of_priority_and_spread_within_it() {
        let high = WaitingOwner::entry_of("z", 9);
        let low = WaitingOwner::entry_of("a", 5);
        assert!(high < low, "{high} {low}");
        assert!(low < WaitingOwner::after(5) && WaitingOwner::after(9) < low);
        assert!(WaitingOwner::after(0).as_str() < WaitingOwner::AFTER_ALL);
        let middle = WaitingOwner::position(5, 0x8000);
        let entries = (0..100).map(|it| WaitingOwner::entry_of(&format!("user-{it}"), 5));
        let above = entries.filter(|entry| *entry >= middle).count();
        assert!((30..=70).contains(&above), "{above}");
    }

    #[test]
    fn parts_of_similar_names_do_not_share_a_partition() {
        let part = |queue: &str, owner: &str| {
            let (queue, owner) = (queue.parse().expect("a name"), owner.to_owned());
            OwnerQueue { queue, owner }.partition()
        };
        assert_eq!(part("plans", "a#b"), "#waiting#plans#a#b");
        assert_ne!(part("plans", "2#a"), part("plans-2", "a"));
    }
}
