//! A job in the list of its owner.

use std::collections::BTreeMap;

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::JobId,
    tables::{WorkQueueKey, WorkQueues},
};
use typed_contract::tables::Record;

use super::{InvalidItem, Job, item};

/// What precedes the owner in the key of the list and of the feed. No name of a queue and no job id begins with it.
const LIST_PREFIX: &str = "#owner#";

/// What precedes the time of creation in the key of an entry.
pub(crate) const OWNED_PREFIX: &str = "job#";

/// An item of `work_queues`: an index entry of a job with an owner. It has what of the job never changes, so it is
/// written once. Only the job's own item says whether the job exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedJob {
    #[serde(rename = "queue")]
    list: String,
    entry: String,
    /// The job.
    pub job_id: JobId,
    /// The labels of the job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for OwnedJob {
    type Table = WorkQueues;

    fn key(&self) -> WorkQueueKey<'_> {
        WorkQueueKey {
            queue: &self.list,
            entry: &self.entry,
        }
    }
}

impl OwnedJob {
    /// The entry of `job`, which was created at `created_millis`, in milliseconds since the Unix epoch; none for a job
    /// without an owner.
    pub fn of(job: &Job, created_millis: u64) -> Option<Self> {
        Some(Self {
            list: Self::list_of(job.owner.as_ref()?),
            entry: format!("{OWNED_PREFIX}{created_millis:013}#{}", job.job_id),
            job_id: job.job_id.clone(),
            labels: job.labels.clone(),
            expires_at: job.expires_at,
        })
    }

    /// The key of the list of `owner`.
    pub(crate) fn list_of(owner: &str) -> String {
        format!("{LIST_PREFIX}{owner}")
    }

    /// The owner whose list has this key.
    pub(crate) fn owner_of_list(key: &str) -> &str {
        key.strip_prefix(LIST_PREFIX).unwrap_or_default()
    }

    /// Whether `key` is that of a list.
    pub(crate) fn is_list(key: &str) -> bool {
        key.starts_with(LIST_PREFIX)
    }

    /// The place in the list. Places of later jobs are greater.
    pub fn place(&self) -> &str {
        &self.entry
    }

    /// Whether `text` can be a place.
    pub fn is_place(text: &str) -> bool {
        text.starts_with(OWNED_PREFIX) && text.len() <= 100
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
    use stagecast_contract::{
        ids::{AccessKey, RequestId},
        timestamp::Timestamp,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn owned(id: u8, millis: u64) -> OwnedJob {
        let mut job = Job::queued(
            JobId::new(NOW, [id; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        );
        job.owner = Some("user-7".to_owned());
        job.labels.insert("team".to_owned(), "blue".to_owned());
        OwnedJob::of(&job, millis).expect("it has an owner")
    }

    #[test]
    fn places_are_in_the_order_of_creation() {
        let places = [
            owned(9, 999),
            owned(1, 1000),
            owned(2, 1000),
            owned(0, 1_800_000_000_000),
        ];
        assert!(places.is_sorted_by(|a, b| a.place() < b.place()));
        assert!(places.iter().all(|it| OwnedJob::is_place(it.place())));
        assert!(!OwnedJob::is_place("waiting#2") && !OwnedJob::is_place(&"job#".repeat(30)));
    }

    #[test]
    fn entry_is_read_as_it_was_written() {
        let entry = owned(1, 7);
        let item = entry.to_dynamodb_item().expect("an item");
        assert_eq!(
            item["queue"].as_s().map(String::as_str),
            Ok("#owner#user-7")
        );
        assert_eq!(OwnedJob::from_dynamodb_item(item).expect("valid"), entry);
    }
}
