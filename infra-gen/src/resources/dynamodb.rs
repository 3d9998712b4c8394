//! DynamoDB tables.

use serde::Serialize;

use super::TagList;
use crate::template::{Handle, StringValue};

/// A table.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// The table's name.
    pub table_name: StringValue,
    /// How the table is paid for.
    pub billing_mode: BillingMode,
    /// The attributes that keys use.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The primary key.
    pub key_schema: Vec<KeySchema>,
    /// The global secondary indexes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<GlobalSecondaryIndex>,
    /// Which attribute says when an item goes.
    pub time_to_live_specification: TimeToLiveSpecification,
    /// Whether the table can be restored to a point in time.
    pub point_in_time_recovery_specification: PointInTimeRecoverySpecification,
    /// Which key the table is encrypted with.
    #[serde(rename = "SSESpecification")]
    pub sse_specification: SseSpecification,
    /// Whether the table refuses to be deleted.
    pub deletion_protection_enabled: bool,
    /// The table's tags.
    pub tags: TagList,
}

/// How a table is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillingMode {
    /// By request.
    PayPerRequest,
}

/// An attribute that a key uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttributeDefinition {
    /// Its name.
    pub attribute_name: &'static str,
    /// `S`, `N` or `B`.
    pub attribute_type: &'static str,
}

/// An attribute's part in a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeySchema {
    /// The attribute.
    pub attribute_name: &'static str,
    /// Its part.
    pub key_type: KeyType,
}

/// An attribute's part in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyType {
    /// The partition key.
    Hash,
    /// The sort key.
    Range,
}

/// An index with keys of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalSecondaryIndex {
    /// Its name.
    pub index_name: &'static str,
    /// Its key.
    pub key_schema: Vec<KeySchema>,
    /// What of an item it holds.
    pub projection: Projection,
}

/// What of an item an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Projection {
    /// Which attributes.
    pub projection_type: ProjectionType,
}

/// Which attributes an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProjectionType {
    /// All of them.
    All,
}

/// Which attribute says when an item goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeToLiveSpecification {
    /// The attribute: epoch seconds, a number.
    pub attribute_name: &'static str,
    /// Whether items go.
    pub enabled: bool,
}

/// Whether a table can be restored to a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PointInTimeRecoverySpecification {
    /// Whether it can.
    pub point_in_time_recovery_enabled: bool,
}

/// Which key a table is encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SseSpecification {
    /// The account's `aws/dynamodb` if true, one of DynamoDB's own if not.
    #[serde(rename = "SSEEnabled")]
    pub sse_enabled: bool,
}

impl Handle<Table> {
    /// The table's name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// The table's ARN.
    pub fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}
