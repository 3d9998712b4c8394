//! Items of DynamoDB and what can be wrong with them.

use std::{collections::HashMap, fmt::Display};

use aws_sdk_dynamodb::types::AttributeValue;
use contract::tables::Table;
use serde::{Serialize, de::DeserializeOwned};

/// An item: attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// An item that is not what its table holds.
#[derive(Debug, thiserror::Error)]
#[error("an item of the table {table} is not valid: {cause}; it was not written by this version")]
pub struct InvalidItem {
    /// The table's name in the contract.
    pub table: &'static str,
    /// The attribute and what is wrong with it.
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

/// A string attribute.
pub fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
pub fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn write<T: Table>(model: &impl Serialize) -> Result<Item, InvalidItem> {
    serde_dynamo::to_item(model).map_err(InvalidItem::of::<T>)
}

pub(super) fn read<T: Table, M: DeserializeOwned>(item: Item) -> Result<M, InvalidItem> {
    serde_dynamo::from_item(item).map_err(InvalidItem::of::<T>)
}
