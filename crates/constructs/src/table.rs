//! A DynamoDB table with its indexes.

use cloudformation::{
    ConstructPath, Handle,
    resources::dynamodb::{
        self, AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchema, KeyType,
        PointInTimeRecoverySpecification, Projection, ProjectionType, SseSpecification,
        TimeToLiveSpecification,
    },
};
use typed_contract::{
    names::MAX_TABLE_NAME_LENGTH,
    tables::{Attribute, KeySpec, TableSpec},
};

use crate::{
    error::SynthError,
    settings::{DataPolicy, TableKey},
    stack::Stack,
};

/// A table with its indexes and on-demand capacity.
///
/// ```
/// use constructs::{Stack, Table, settings::StackSettings};
/// use typed_contract::tables::Table as _;
///
/// typed_contract::table! {
///     /// What customers have ordered.
///     Orders = "orders" in "ORDERS_TABLE" {
///         OrderKey { order_id: String },
///         time_to_live: expires_at: Number,
///     }
/// }
///
/// let mut stack = Stack::new("A table", StackSettings::default())?;
/// let table = Table::add(&mut stack, Orders::SPEC)?;
/// assert_eq!(table.resource.logical_id().as_str(), "OrdersTable");
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    /// The table as it is declared.
    pub spec: &'static TableSpec,
    /// The table in the template.
    pub resource: Handle<dynamodb::Table>,
}

impl Table {
    /// Adds the table and an output with its name.
    pub fn add(stack: &mut Stack, spec: &'static TableSpec) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name).child("Table");
        let settings = stack.settings();
        let table = dynamodb::Table {
            table_name: Some(stack.physical_name("table", spec.name, MAX_TABLE_NAME_LENGTH)?),
            billing_mode: BillingMode::PayPerRequest,
            attribute_definitions: attribute_definitions(spec),
            key_schema: key_schema(&spec.key),
            global_secondary_indexes: spec
                .indexes
                .iter()
                .map(|index| GlobalSecondaryIndex {
                    index_name: index.name.into(),
                    key_schema: key_schema(&index.key),
                    projection: Projection {
                        projection_type: ProjectionType::All,
                    },
                })
                .collect(),
            time_to_live_specification: Some(TimeToLiveSpecification {
                attribute_name: spec.time_to_live.name.into(),
                enabled: true,
            }),
            point_in_time_recovery_specification: PointInTimeRecoverySpecification {
                point_in_time_recovery_enabled: settings.point_in_time_recovery,
            },
            sse_specification: SseSpecification {
                sse_enabled: settings.table_key == TableKey::Managed,
            },
            deletion_protection_enabled: settings.data == DataPolicy::Protected,
            tags: stack.tags().list(),
        };
        let resource = stack.add_data(&path, table)?;
        stack.add_output(
            &format!("{}_table_name", spec.name),
            &format!("The name of the table {}", spec.name),
            resource.name(),
        )?;
        Ok(Self { spec, resource })
    }
}

/// The attributes of all keys, each once. DynamoDB refuses attributes that no key uses.
fn attribute_definitions(spec: &TableSpec) -> Vec<AttributeDefinition> {
    let keys = std::iter::once(&spec.key).chain(spec.indexes.iter().map(|index| &index.key));
    let mut definitions = Vec::new();
    for attribute in keys.flat_map(key_attributes) {
        let definition = AttributeDefinition {
            attribute_name: attribute.name.into(),
            attribute_type: attribute.kind.code().into(),
        };
        if !definitions.contains(&definition) {
            definitions.push(definition);
        }
    }
    definitions
}

fn key_attributes(key: &KeySpec) -> impl Iterator<Item = Attribute> {
    std::iter::once(key.partition).chain(key.sort)
}

fn key_schema(key: &KeySpec) -> Vec<KeySchema> {
    key_attributes(key)
        .zip([KeyType::Hash, KeyType::Range])
        .map(|(attribute, key_type)| KeySchema {
            attribute_name: attribute.name.into(),
            key_type,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use typed_contract::tables::{AttributeType, IndexSpec};

    use super::*;

    #[test]
    fn attribute_of_several_keys_is_defined_once() {
        const ORDER: Attribute = Attribute {
            name: "order_id",
            kind: AttributeType::String,
        };
        const SEQ: Attribute = Attribute {
            name: "seq",
            kind: AttributeType::Number,
        };
        let spec = TableSpec {
            name: "t",
            variable: "T",
            key: KeySpec {
                partition: ORDER,
                sort: None,
            },
            time_to_live: SEQ,
            indexes: &[IndexSpec {
                name: "by_seq",
                key: KeySpec {
                    partition: ORDER,
                    sort: Some(SEQ),
                },
            }],
        };
        let names: Vec<_> = attribute_definitions(&spec)
            .into_iter()
            .map(|definition| definition.attribute_name)
            .collect();
        assert_eq!(names, ["order_id", "seq"]);
    }
}
