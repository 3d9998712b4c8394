//! DynamoDB tables with their keys, indexes and time-to-live attributes.

use crate::{
    const_fmt::{self, const_panic},
    environment::Resource,
};

/// The type of a key attribute or a time-to-live attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// A string, `S`.
    String,
    /// A number, `N`.
    Number,
}

impl AttributeType {
    /// DynamoDB's code of the type, `S` or `N`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
        }
    }
}

/// An attribute that is part of a key, or holds the time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name.
    pub name: &'static str,
    /// The attribute's type.
    pub kind: AttributeType,
}

/// The attributes of a primary key or of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The partition key.
    pub partition: Attribute,
    /// The sort key, which orders the items of a partition.
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

/// The properties of a table in the template.
#[derive(Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The table's name, before the stack's suffix.
    pub name: &'static str,
    /// The environment variable that holds the table's name in functions that use it.
    pub variable: &'static str,
    /// The primary key.
    pub key: KeySpec,
    /// The attribute that holds the item's expiry in epoch seconds.
    pub time_to_live: Attribute,
    /// The global secondary indexes.
    pub indexes: &'static [IndexSpec],
}

/// A DynamoDB table that is declared with `table!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    label = "this takes a table",
    note = "tables are declared with `table!`"
)]
pub trait Table: Resource {
    /// The primary key of an item, with one field for each key attribute.
    type Key<'a>: Key<Table = Self>;
    /// The properties in the template.
    const SPEC: &'static TableSpec;
}

/// The primary key of one item.
pub trait Key {
    /// The table of the item.
    type Table: Table;

    /// The key attributes and their names.
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

/// A type whose values are stored as items of a table. It has the attributes of the table's key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is stored in no table",
    label = "this type does not say which table it is stored in, nor under which key",
    note = "implement `typed_contract::tables::Record` for it, next to the type: its table, and the \
            table's key made of its fields"
)]
pub trait Record {
    /// The table.
    type Table: Table;

    /// The item's primary key.
    fn key(&self) -> <Self::Table as Table>::Key<'_>;
}

/// A global secondary index of a table. It is granted and queried separately from the table.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an index",
    label = "this takes an index",
    note = "indexes are declared with their table, in `table!`"
)]
pub trait Index: Resource {
    /// The table.
    type Table: Table;
    /// The properties in the template.
    const SPEC: IndexSpec;
}

/// `Self` is an index of the table `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an index of the table `{T}`",
    label = "this index belongs to another table",
    note = "query the table that the index is declared for, or declare an index of this table"
)]
pub trait IndexOf<T: Table>: Index {}

/// Declares a table: its type, the type of its keys, its indexes and its description.
///
/// ```
/// typed_contract::table! {
///     /// What customers have ordered.
///     Orders = "orders" in "ORDERS_TABLE" {
///         OrderKey { order_id: String },
///         time_to_live: expires_at: Number,
///         indexes: {
///             /// The orders of a customer, oldest first.
///             OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
///         },
///     }
/// }
///
/// let key = OrderKey { order_id: "o-1" };
/// ```
///
/// A time to live that DynamoDB would ignore does not compile:
///
/// ```compile_fail,E0080
/// typed_contract::table! {
///     /// What customers have ordered.
///     Orders = "orders" in "ORDERS_TABLE" {
///         OrderKey { order_id: String },
///         time_to_live: expires_at: String,
///     }
/// }
/// ```
///
/// Nor does an attribute that has one type in the table's key and another in an index:
///
/// ```compile_fail,E0080
/// typed_contract::table! {
///     /// What customers have ordered.
///     Orders = "orders" in "ORDERS_TABLE" {
///         OrderKey { order_id: String, ordered_at: Number },
///         time_to_live: expires_at: Number,
///         indexes: {
///             /// The orders of a customer.
///             OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: String },
///         },
///     }
/// }
/// ```
///
/// Nor a key without one of its attributes:
///
/// ```compile_fail,E0063
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String, ordered_at: Number },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// let key = OrderKey { order_id: "o-1" };
/// ```
#[macro_export]
macro_rules! table {
    (
        $(#[$documentation:meta])*
        $table:ident = $name:literal in $variable:literal {
            $key:ident { $partition:ident: $partition_type:ident $(, $sort:ident: $sort_type:ident)? $(,)? },
            time_to_live: $ttl:ident: $ttl_type:ident
            $(,
                indexes: {
                    $(
                        $(#[$index_documentation:meta])*
                        $index:ident = $index_name:literal {
                            $index_partition:ident: $index_partition_type:ident
                            $(, $index_sort:ident: $index_sort_type:ident)? $(,)?
                        }
                    ),+ $(,)?
                }
            )? $(,)?
        }
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $table;

        #[doc = concat!("The primary key of an item of [`", stringify!($table), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $key<'a> {
            /// The partition key.
            pub $partition: $crate::table!(@type $partition_type 'a),
            $(
                /// The sort key, which orders the items of a partition.
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
                key: $crate::table!(@key $partition $partition_type $($sort $sort_type)?),
                time_to_live: $crate::table!(@attribute $ttl $ttl_type),
                indexes: &[$($(<$index as $crate::tables::Index>::SPEC),+)?],
            };
        }

        $($(
            $(#[$index_documentation])*
            #[derive(Debug)]
            pub struct $index;

            impl $crate::environment::Resource for $index {
                const VARIABLE: &'static str = $variable;
            }

            impl $crate::tables::IndexOf<$table> for $index {}

            impl $crate::tables::Index for $index {
                type Table = $table;
                const SPEC: $crate::tables::IndexSpec = $crate::tables::IndexSpec {
                    name: $index_name,
                    key: $crate::table!(
                        @key
                        $index_partition $index_partition_type
                        $($index_sort $index_sort_type)?
                    ),
                };
            }
        )+)?

        impl $crate::environment::Resource for $table {
            const VARIABLE: &'static str = $variable;
        }

        const _: () = $crate::tables::check(<$table as $crate::tables::Table>::SPEC);
    };
    (@type String $lifetime:lifetime) => { &$lifetime str };
    (@type Number $lifetime:lifetime) => { u64 };
    (@key $partition:ident $partition_type:ident $($sort:ident $sort_type:ident)?) => {
        $crate::tables::KeySpec {
            partition: $crate::table!(@attribute $partition $partition_type),
            sort: $crate::table!(@sort $($sort $sort_type)?),
        }
    };
    (@sort) => { None };
    (@sort $sort:ident $sort_type:ident) => {
        Some($crate::table!(@attribute $sort $sort_type))
    };
    (@attribute $attribute:ident $type:ident) => {
        $crate::tables::Attribute {
            name: stringify!($attribute),
            kind: $crate::tables::AttributeType::$type,
        }
    };
}

/// Rejects a table that DynamoDB would reject, or whose items would never expire.
#[doc(hidden)]
#[track_caller]
pub const fn check(table: &TableSpec) {
    if !matches!(table.time_to_live.kind, AttributeType::Number) {
        const_panic(&[
            "the time to live of the table `",
            table.name,
            "` is a String: DynamoDB only deletes items whose time to live is a number of epoch \
             seconds, so write `time_to_live: ",
            table.time_to_live.name,
            ": Number`",
        ]);
    }
    let mut index = 0;
    while index < table.indexes.len() {
        let key = table.indexes[index].key;
        check_attribute(table, key.partition, index);
        if let Some(sort) = key.sort {
            check_attribute(table, sort, index);
        }
        index += 1;
    }
}

/// Requires that an attribute has the same type in all keys of the table.
#[track_caller]
const fn check_attribute(table: &TableSpec, attribute: Attribute, before: usize) {
    check_same(table, attribute, table.time_to_live);
    check_key(table, attribute, table.key);
    let mut index = 0;
    while index < before {
        check_key(table, attribute, table.indexes[index].key);
        index += 1;
    }
}

#[track_caller]
const fn check_key(table: &TableSpec, attribute: Attribute, key: KeySpec) {
    check_same(table, attribute, key.partition);
    if let Some(sort) = key.sort {
        check_same(table, attribute, sort);
    }
}

#[track_caller]
const fn check_same(table: &TableSpec, one: Attribute, other: Attribute) {
    if const_fmt::equal(one.name, other.name)
        && !const_fmt::equal(one.kind.code(), other.kind.code())
    {
        const_panic(&[
            "the table `",
            table.name,
            "` has the attribute `",
            one.name,
            "` once as a String and once as a Number: declare it with one type everywhere",
        ]);
    }
}
