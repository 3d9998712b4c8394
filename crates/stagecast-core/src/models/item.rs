//! From a model to an item of its table and back.

use std::fmt::Display;

use granted_aws::Item;
use serde::{Serialize, de::DeserializeOwned};
use typed_contract::tables::Table;

/// An item that does not have the attributes of its table.
#[derive(Debug, thiserror::Error)]
#[error("an item of the table {table} is not valid: {cause}; another version may have written it")]
pub struct InvalidItem {
    /// The table's name in the contract.
    pub table: &'static str,
    /// The attribute, and why it is not valid.
    pub cause: String,
}

impl InvalidItem {
    pub(super) fn of<T: Table>(cause: impl Display) -> Self {
        Self {
            table: T::SPEC.name,
            cause: cause.to_string(),
        }
    }
}

pub(super) fn write<T: Table>(model: &impl Serialize) -> Result<Item, InvalidItem> {
    serde_dynamo::to_item(model).map_err(InvalidItem::of::<T>)
}

pub(super) fn read<T: Table, M: DeserializeOwned>(item: Item) -> Result<M, InvalidItem> {
    serde_dynamo::from_item(item).map_err(InvalidItem::of::<T>)
}
