//! DynamoDB tables.

use serde::Serialize;

use super::TagList;
use crate::{Handle, ResourceType, StringValue};

/// A table.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// The table's name, unique in an account and region.
    pub table_name: StringValue,
    /// Which capacity the table is billed for.
    pub billing_mode: BillingMode,
    /// The attributes that are part of a key of the table or of an index, and no others.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The primary key: the partition key, then the sort key if there is one.
    pub key_schema: Vec<KeySchema>,
    /// The global secondary indexes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<GlobalSecondaryIndex>,
    /// The attribute by which items expire.
    pub time_to_live_specification: TimeToLiveSpecification,
    /// Continuous backups.
    pub point_in_time_recovery_specification: PointInTimeRecoverySpecification,
    /// Encryption at rest.
    #[serde(rename = "SSESpecification")]
    pub sse_specification: SseSpecification,
    /// Whether DynamoDB refuses to delete the table.
    pub deletion_protection_enabled: bool,
    /// The table's tags.
    pub tags: TagList,
}

/// Which capacity a table is billed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillingMode {
    /// Each request, on demand.
    PayPerRequest,
}

/// An attribute that is part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttributeDefinition {
    /// The attribute's name.
    pub attribute_name: &'static str,
    /// `S` (string), `N` (number) or `B` (binary).
    pub attribute_type: &'static str,
}

/// An attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeySchema {
    /// The attribute's name.
    pub attribute_name: &'static str,
    /// Its role in the key.
    pub key_type: KeyType,
}

/// The role of an attribute in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyType {
    /// The partition key.
    Hash,
    /// The sort key.
    Range,
}

/// A global secondary index: the items of a table under another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalSecondaryIndex {
    /// The index's name, unique in its table.
    pub index_name: &'static str,
    /// The key of the index.
    pub key_schema: Vec<KeySchema>,
    /// The attributes that the index has of each item.
    pub projection: Projection,
}

/// The attributes that an index has of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Projection {
    /// Which attributes are copied.
    pub projection_type: ProjectionType,
}

/// Which attributes of an item are copied to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProjectionType {
    /// All attributes.
    All,
}

/// The attribute by which items expire (time to live).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeToLiveSpecification {
    /// The name of a number attribute: the time of expiry in seconds since 1970.
    pub attribute_name: &'static str,
    /// Whether DynamoDB deletes expired items.
    pub enabled: bool,
}

/// Continuous backups of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PointInTimeRecoverySpecification {
    /// Whether the table can be restored to any second of the last 35 days.
    pub point_in_time_recovery_enabled: bool,
}

/// Encryption at rest of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SseSpecification {
    /// True: encrypted with the account's key `aws/dynamodb`. False: with a key that DynamoDB owns.
    #[serde(rename = "SSEEnabled")]
    pub sse_enabled: bool,
}

impl ResourceType for Table {
    const TYPE_NAME: &'static str = "AWS::DynamoDB::Table";
    const HOLDS_DATA: bool = true;
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
