//! The tables, their keys, indexes and times to live.

use crate::environment::Resource;

/// The type of an attribute that is part of a key or a time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// A string, `S`.
    String,
    /// A number, `N`.
    Number,
}

impl AttributeType {
    /// The type as DynamoDB writes it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
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
    /// Where an item of the table lives: one field for each attribute of the primary key.
    type Key<'a>: Key<Table = Self>;
    /// How the template declares it.
    const SPEC: &'static TableSpec;
}

/// The primary key of one item.
pub trait Key {
    /// The table that the item is in.
    type Table: Table;

    /// The attributes of the key, by name.
    fn attributes(&self) -> Vec<(&'static str, KeyValue)>;
}

/// The value of a key attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValue {
    /// A string.
    String(String),
    /// A number.
    Number(u64),
}

impl From<&str> for KeyValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<u64> for KeyValue {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A type whose values are stored as items of a table: it has the attributes of the table's key.
pub trait Record {
    /// The table.
    type Table: Table;

    /// Where the item lives.
    fn key(&self) -> <Self::Table as Table>::Key<'_>;
}

/// The index `Self` is of the table `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no index of the table `{T}`",
    label = "this index belongs to another table",
    note = "query the table that the index is declared for in contract/src/tables.rs, or declare \
            an index there"
)]
pub trait IndexOf<T: Table>: 'static {
    /// How the template declares it.
    const SPEC: IndexSpec;
}

/// Declares a table: its type, the type of its keys, its description. Public so that a product
/// can declare tables of its own.
#[macro_export]
macro_rules! table {
    (
        $(#[$documentation:meta])*
        $table:ident = $name:literal in $variable:literal {
            $key:ident { $partition:ident: $partition_type:ident $(, $sort:ident: $sort_type:ident)? $(,)? },
            time_to_live: $ttl:ident: $ttl_type:ident $(,)?
        }
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $table;

        #[doc = concat!("Where an item of [`", stringify!($table), "`] lives.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $key<'a> {
            /// The partition key.
            pub $partition: $crate::table!(@type $partition_type 'a),
            $(
                /// The sort key.
                pub $sort: $crate::table!(@type $sort_type 'a),
            )?
        }

        impl $crate::tables::Key for $key<'_> {
            type Table = $table;

            fn attributes(&self) -> ::std::vec::Vec<(&'static str, $crate::tables::KeyValue)> {
                ::std::vec![
                    (stringify!($partition), self.$partition.into()),
                    $((stringify!($sort), self.$sort.into()),)?
                ]
            }
        }

        impl $crate::tables::Table for $table {
            type Key<'a> = $key<'a>;
            const SPEC: &'static $crate::tables::TableSpec = &$crate::tables::TableSpec {
                name: $name,
                variable: $variable,
                key: $crate::tables::KeySpec {
                    partition: $crate::tables::Attribute {
                        name: stringify!($partition),
                        kind: $crate::tables::AttributeType::$partition_type,
                    },
                    sort: $crate::table!(@sort $($sort $sort_type)?),
                },
                time_to_live: $crate::tables::Attribute {
                    name: stringify!($ttl),
                    kind: $crate::tables::AttributeType::$ttl_type,
                },
                indexes: &[],
            };
        }

        impl $crate::environment::Resource for $table {
            const VARIABLE: &'static str = $variable;
        }

        const _: () = assert!(
            matches!(
                $crate::tables::AttributeType::$ttl_type,
                $crate::tables::AttributeType::Number,
            ),
            concat!(
                "the time to live of `", $name, "` must be a Number: DynamoDB reads epoch seconds ",
                "(contract/src/tables.rs)",
            ),
        );
    };
    (@type String $lifetime:lifetime) => { &$lifetime str };
    (@type Number $lifetime:lifetime) => { u64 };
    (@sort) => { None };
    (@sort $sort:ident $sort_type:ident) => {
        Some($crate::tables::Attribute {
            name: stringify!($sort),
            kind: $crate::tables::AttributeType::$sort_type,
        })
    };
}

table! {
    /// Connections and what they watch. A connection that watches nothing yet is one item whose
    /// `job_id` is [`NO_JOB`].
    Connections = "websocket_connections" in "WEBSOCKET_CONNECTIONS_TABLE" {
        ConnectionKey { connection_id: String, job_id: String },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// Who watches a job: the other side of [`Connections`].
    Subscribers = "job_subscribers" in "JOB_SUBSCRIBERS_TABLE" {
        SubscriberKey { job_id: String, connection_id: String },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// The jobs: state, snapshot, lease and checkpoints.
    Jobs = "jobs" in "JOBS_TABLE" {
        JobKey { job_id: String },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// The log of durable messages.
    JobEvents = "job_events" in "JOB_EVENTS_TABLE" {
        JobEventKey { job_id: String, seq: Number },
        time_to_live: expires_at: Number,
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
