//! The tables, their keys, indexes and times to live.

use crate::environment::Resource;

/// The type of an attribute that is part of a key or a time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// A string, `S`.
    String,
    /// A number, `N`.
    Number,
    /// Bytes, `B`.
    Binary,
}

impl AttributeType {
    /// The type as DynamoDB writes it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }
}

/// An attribute of a table that DynamoDB itself looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name.
    pub name: &'static str,
    /// The attribute's type.
    pub kind: AttributeType,
}

/// A key: where an item lives and how the items of one partition are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The partition key.
    pub partition: Attribute,
    /// The sort key.
    pub sort: Option<Attribute>,
}

/// A global secondary index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// The index's name.
    pub name: &'static str,
    /// The index's key.
    pub key: KeySpec,
}

/// A table as the template declares it.
#[derive(Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The table's name, before the stack's suffix.
    pub name: &'static str,
    /// The environment variable that holds the table's name in functions that use it.
    pub variable: &'static str,
    /// The primary key.
    pub key: KeySpec,
    /// The attribute that holds the time to live, a number of epoch seconds.
    pub time_to_live: Attribute,
    /// The global secondary indexes.
    pub indexes: &'static [IndexSpec],
}

/// A table of the contract.
pub trait Table: Resource {
    /// How the template declares it.
    const SPEC: &'static TableSpec;
}

/// An index of the table [`Index::Table`].
pub trait Index: 'static {
    /// The table that the index is of.
    type Table: Table;
    /// How the template declares it.
    const SPEC: IndexSpec;
}

/// Declares a table: its type, its key attributes as constants, its description.
macro_rules! table {
    (
        $(#[$documentation:meta])*
        $table:ident = $name:literal in $variable:literal {
            partition: $partition:ident = $partition_name:literal: $partition_type:ident,
            $(sort: $sort:ident = $sort_name:literal: $sort_type:ident,)?
            time_to_live: $ttl_name:literal: $ttl_type:ident,
        }
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $table;

        impl $table {
            /// The name of the partition key.
            pub const $partition: &'static str = $partition_name;
            $(
                /// The name of the sort key.
                pub const $sort: &'static str = $sort_name;
            )?
            /// The name of the attribute that holds the time to live.
            pub const TIME_TO_LIVE: &'static str = $ttl_name;
        }

        impl Table for $table {
            const SPEC: &'static TableSpec = &TableSpec {
                name: $name,
                variable: $variable,
                key: KeySpec {
                    partition: Attribute {
                        name: $partition_name,
                        kind: AttributeType::$partition_type,
                    },
                    sort: table!(@sort $($sort_name $sort_type)?),
                },
                time_to_live: Attribute { name: $ttl_name, kind: AttributeType::$ttl_type },
                indexes: &[],
            };
        }

        impl Resource for $table {
            const VARIABLE: &'static str = $variable;
        }

        const _: () = assert!(
            matches!(AttributeType::$ttl_type, AttributeType::Number),
            concat!(
                "the time to live of `", $name, "` must be a Number: DynamoDB reads epoch seconds ",
                "(contract/src/tables.rs)",
            ),
        );
    };
    (@sort) => { None };
    (@sort $sort_name:literal $sort_type:ident) => {
        Some(Attribute { name: $sort_name, kind: AttributeType::$sort_type })
    };
}

table! {
    /// Connections and what they watch. A connection that watches nothing yet is one item whose
    /// `job_id` is [`NO_JOB`].
    Connections = "websocket_connections" in "WEBSOCKET_CONNECTIONS_TABLE" {
        partition: CONNECTION_ID = "connection_id": String,
        sort: JOB_ID = "job_id": String,
        time_to_live: "expires_at": Number,
    }
}

table! {
    /// Who watches a job: the other side of [`Connections`].
    Subscribers = "job_subscribers" in "JOB_SUBSCRIBERS_TABLE" {
        partition: JOB_ID = "job_id": String,
        sort: CONNECTION_ID = "connection_id": String,
        time_to_live: "expires_at": Number,
    }
}

table! {
    /// The jobs: state, snapshot, lease and checkpoints.
    Jobs = "jobs" in "JOBS_TABLE" {
        partition: JOB_ID = "job_id": String,
        time_to_live: "expires_at": Number,
    }
}

table! {
    /// The log of durable messages.
    JobEvents = "job_events" in "JOB_EVENTS_TABLE" {
        partition: JOB_ID = "job_id": String,
        sort: SEQ = "seq": Number,
        time_to_live: "expires_at": Number,
    }
}

/// The `job_id` of a connection's own item. No job id looks like it.
pub const NO_JOB: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_table_is_the_one_the_protocol_names() {
        let spec = Connections::SPEC;
        assert_eq!(spec.name, "websocket_connections");
        assert_eq!(spec.key.partition.name, "connection_id");
        assert_eq!(spec.key.sort.map(|key| key.name), Some("job_id"));
        assert_eq!(spec.time_to_live.kind, AttributeType::Number);
    }
}
