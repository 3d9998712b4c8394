//! Worker tokens as items of `work_queues`.

use granted_aws::Item;
use stagecast_contract::tables::WorkQueues;
pub use stagecast_contract::worker_tokens::{TokenQueues, WorkerTokenRecord};

use super::{InvalidItem, item};

/// A record that is stored as an item of `work_queues`.
pub trait TokenItem: Sized {
    /// The record as an item.
    fn to_dynamodb_item(&self) -> Result<Item, InvalidItem>;

    /// The record that an item describes.
    fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem>;
}

impl TokenItem for WorkerTokenRecord {
    fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<WorkQueues>(self)
    }

    fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<WorkQueues, _>(item)
    }
}
