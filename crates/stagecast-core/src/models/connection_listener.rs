//! A queue that a connection listens to, by the connection.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    tables::{ConnectionKey, Connections},
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};

/// An item of `websocket_connections`: the end of the connection deletes the
/// [`QueueListener`](super::QueueListener) that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionListener {
    /// API Gateway's id.
    pub connection_id: String,
    #[serde(rename = "job_id")]
    entry: String,
    /// The queue.
    pub queue: QueueName,
    /// When the connection began to listen.
    pub created_at: Timestamp,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for ConnectionListener {
    type Table = Connections;

    fn key(&self) -> ConnectionKey<'_> {
        ConnectionKey {
            connection_id: &self.connection_id,
            job_id: &self.entry,
        }
    }
}

impl ConnectionListener {
    /// What precedes the name of the queue in the key of the item. It is not the start of a job id.
    pub(crate) const PREFIX: &str = "queue#";

    /// The item of a connection that begins to listen at `now`.
    pub fn new(connection_id: String, queue: QueueName, now: Timestamp, expires_at: i64) -> Self {
        Self {
            connection_id,
            entry: Self::entry_of(&queue),
            queue,
            created_at: now,
            expires_at,
        }
    }

    /// The sort key of the item of this queue.
    pub fn entry_of(queue: &QueueName) -> String {
        format!("{}{queue}", Self::PREFIX)
    }

    /// Whether an item of `websocket_connections` is one of these.
    pub(crate) fn describes(item: &Item) -> bool {
        let entry = item.get("job_id").and_then(|entry| entry.as_s().ok());
        entry.is_some_and(|entry| entry.starts_with(Self::PREFIX))
    }

    /// Whether the item has not expired at `now`. DynamoDB deletes expired items up to days later.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.epoch_seconds() < self.expires_at
    }

    /// The item of `websocket_connections`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<Connections>(self)
    }

    /// What an item of `websocket_connections` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<Connections, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::{CorrelationId, JobId};

    use super::*;
    use crate::models::Connection;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    #[test]
    fn item_is_read_as_it_was_written() {
        let queue: QueueName = "plans".parse().expect("a name");
        let expires_at = NOW.epoch_seconds() + 3600;
        let listener = ConnectionListener::new("c1".to_owned(), queue, NOW, expires_at);
        let item = listener.to_dynamodb_item().expect("an item");
        assert!(ConnectionListener::describes(&item));
        assert_eq!(item["job_id"].as_s().map(String::as_str), Ok("queue#plans"));
        assert_eq!(
            ConnectionListener::from_dynamodb_item(item).expect("valid"),
            listener
        );
    }

    #[test]
    fn connections_and_subscriptions_are_no_listeners() {
        for job_id in [None, Some(JobId::new(NOW, [1; 8]))] {
            let correlation_id = CorrelationId::new(NOW, [1; 8]);
            let connection = Connection::starting("c1", job_id, correlation_id, NOW);
            let item = connection.to_dynamodb_item().expect("an item");
            assert!(!ConnectionListener::describes(&item));
        }
    }
}
