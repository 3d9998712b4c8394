//! A connection of a worker that listens to a queue.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    tables::{WorkQueueKey, WorkQueues},
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};
use crate::hash::sha256_hex;

/// What precedes the id of a listener's connection in the key of its item.
pub(crate) const PREFIX: &str = "listener#";

/// An item of `work_queues`: a connection that is notified of jobs that can be claimed from a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueListener {
    /// The queue.
    pub queue: QueueName,
    entry: String,
    /// API Gateway's id.
    pub connection_id: String,
    /// Whether the worker has found the queue empty, and waits for a notification. A notification resets it.
    pub is_armed: bool,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for QueueListener {
    type Table = WorkQueues;

    fn key(&self) -> WorkQueueKey<'_> {
        WorkQueueKey {
            queue: self.queue.as_str(),
            entry: &self.entry,
        }
    }
}

impl QueueListener {
    /// A sort key after those of all listeners.
    pub const AFTER_ALL: &str = "listener$";

    /// A listener that is not armed.
    pub fn new(queue: QueueName, connection_id: String, expires_at: i64) -> Self {
        Self {
            queue,
            entry: Self::entry_of(&connection_id),
            connection_id,
            is_armed: false,
            expires_at,
        }
    }

    /// The id for claims, which clients do not interpret.
    pub fn id(&self) -> &str {
        &self.connection_id
    }

    /// The sort key of the item of this connection. It begins with a hash of the id, so that the listeners of a
    /// queue are spread evenly and can be read from a random [`Self::position`]: ids begin with similar letters.
    pub fn entry_of(connection_id: &str) -> String {
        let hash = sha256_hex(connection_id);
        format!("{PREFIX}{}#{connection_id}", &hash[..4])
    }

    /// The sort key at which the fraction `part` of 65,536 of a queue's listeners precede.
    pub fn position(part: u16) -> String {
        format!("{PREFIX}{part:04x}")
    }

    /// Whether the item has not expired at `now`. DynamoDB deletes expired items up to days later.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.epoch_seconds() < self.expires_at
    }

    /// The listener as an item of `work_queues`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<WorkQueues>(self)
    }

    /// The listener that an item of `work_queues` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<WorkQueues, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_is_read_as_it_was_written() {
        let queue: QueueName = "plans".parse().expect("a name");
        let listener = QueueListener::new(queue, "BFHPhfCWIAMCKlQ=".to_owned(), 1_800_000_000);
        let item = listener.to_dynamodb_item().expect("an item");
        assert_eq!(item["queue"].as_s().map(String::as_str), Ok("plans"));
        assert_eq!(
            QueueListener::from_dynamodb_item(item).expect("valid"),
            listener
        );
    }

    #[test]
    fn similar_connection_ids_are_spread_over_all_positions() {
        let middle = QueueListener::position(0x8000);
        let entries = (0..100).map(|it| QueueListener::entry_of(&format!("BFHPhfCWIAMCK{it}=")));
        let above = entries.filter(|entry| *entry >= middle).count();
        assert!((30..=70).contains(&above), "{above}");
    }
}
