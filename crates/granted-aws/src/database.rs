//! The client of DynamoDB, bounded by the grants of its function.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::builders::DeleteItemFluentBuilder, get_item::builders::GetItemFluentBuilder,
        put_item::builders::PutItemFluentBuilder, query::builders::QueryFluentBuilder,
        transact_get_items::builders::TransactGetItemsFluentBuilder,
        transact_write_items::builders::TransactWriteItemsFluentBuilder,
        update_item::builders::UpdateItemFluentBuilder,
    },
    types::{
        Delete, Get, Put, TransactGetItem, TransactWriteItem, Update,
        builders::{DeleteBuilder, PutBuilder, UpdateBuilder},
    },
};
use aws_smithy_types::error::operation::BuildError;
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, Query, QueryIndex, UpdateItem},
    tables::{IndexOf, Key, KeyValue, Record, Table},
};

use crate::{Environment, Item, number, text};

/// The client of DynamoDB for the function `F`.
///
/// ```
/// use granted_aws::{Database, text};
///
/// # use typed_contract::functions::Trigger;
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #         indexes: {
/// #             /// The orders of a customer, oldest first.
/// #             OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
/// #         },
/// #     }
/// # }
/// # typed_contract::table! {
/// #     /// The customers.
/// #     Customers = "customers" in "CUSTOMERS_TABLE" {
/// #         CustomerKey { customer_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             OrdersOfCustomer: [QueryIndex],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// // The function is granted `QueryIndex` on the index `OrdersOfCustomer` of `Orders`.
/// fn orders(database: &Database<OrdersFunction>, customer_id: &str) {
///     let _request = database
///         .query_index::<Orders, OrdersOfCustomer>()
///         .key_condition_expression("customer_id = :customer")
///         .expression_attribute_values(":customer", text(customer_id));
/// }
/// ```
///
/// An index of another table does not compile, nor does an operation that is not granted:
///
/// ```compile_fail,E0277
/// # use granted_aws::Database;
/// # use typed_contract::functions::Trigger;
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #         indexes: {
/// #             /// The orders of a customer, oldest first.
/// #             OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
/// #         },
/// #     }
/// # }
/// # typed_contract::table! {
/// #     /// The customers.
/// #     Customers = "customers" in "CUSTOMERS_TABLE" {
/// #         CustomerKey { customer_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             OrdersOfCustomer: [QueryIndex],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// # fn orders(database: &Database<OrdersFunction>) {
/// database.query_index::<Customers, OrdersOfCustomer>();
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # use granted_aws::Database;
/// # use typed_contract::functions::Trigger;
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #         indexes: {
/// #             /// The orders of a customer, oldest first.
/// #             OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
/// #         },
/// #     }
/// # }
/// # typed_contract::table! {
/// #     /// The customers.
/// #     Customers = "customers" in "CUSTOMERS_TABLE" {
/// #         CustomerKey { customer_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             OrdersOfCustomer: [QueryIndex],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// # fn orders(database: &Database<OrdersFunction>) {
/// database.query::<Orders>();
/// # }
/// ```
#[derive(Debug)]
pub struct Database<F> {
    client: Client,
    environment: Environment<F>,
}

impl<F> Clone for Database<F> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            environment: self.environment.clone(),
        }
    }
}

impl<F: Function> Database<F> {
    /// A client of the tables that the environment names.
    pub fn new(config: &SdkConfig, environment: &Environment<F>) -> Self {
        Self {
            client: Client::new(config),
            environment: environment.clone(),
        }
    }

    fn name<T: Table>(&self) -> &str {
        self.environment.value(T::VARIABLE)
    }

    /// A `GetItem` of the item at `key`.
    pub fn get_item<K: Key>(&self, key: &K) -> GetItemFluentBuilder
    where
        F: Granted<GetItem<K::Table>>,
    {
        self.client
            .get_item()
            .table_name(self.name::<K::Table>())
            .set_key(Some(attributes(key)))
    }

    /// A `PutItem` of an `R` in its table.
    pub fn put_item<R: Record>(&self) -> PutItemFluentBuilder
    where
        F: Granted<PutItem<R::Table>>,
    {
        self.client.put_item().table_name(self.name::<R::Table>())
    }

    /// An `UpdateItem` of the item at `key`.
    pub fn update_item<K: Key>(&self, key: &K) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<K::Table>>,
    {
        self.client
            .update_item()
            .table_name(self.name::<K::Table>())
            .set_key(Some(attributes(key)))
    }

    /// A `DeleteItem` of the item at `key`.
    pub fn delete_item<K: Key>(&self, key: &K) -> DeleteItemFluentBuilder
    where
        F: Granted<DeleteItem<K::Table>>,
    {
        self.client
            .delete_item()
            .table_name(self.name::<K::Table>())
            .set_key(Some(attributes(key)))
    }

    /// A `Query` of one partition of `T`.
    pub fn query<T: Table>(&self) -> QueryFluentBuilder
    where
        F: Granted<Query<T>>,
    {
        self.client.query().table_name(self.name::<T>())
    }

    /// A `Query` of one partition of the index `I` of `T`.
    pub fn query_index<T: Table, I: IndexOf<T>>(&self) -> QueryFluentBuilder
    where
        F: Granted<QueryIndex<I>>,
    {
        self.client
            .query()
            .table_name(self.name::<T>())
            .index_name(I::SPEC.name)
    }

    /// A `TransactGetItems`, which reads several items as of one point in time. IAM requires the grants
    /// of its reads.
    pub fn reading(&self) -> ReadingBuilder<'_, F> {
        ReadingBuilder {
            database: self,
            reads: Vec::new(),
        }
    }

    /// A `TransactWriteItems`, which writes all of its items or none. IAM requires the grants of its
    /// writes.
    pub fn transaction(&self) -> TransactionBuilder<'_, F> {
        TransactionBuilder {
            database: self,
            writes: Vec::new(),
        }
    }
}

/// The reads of a transaction. The response has their items in the same order.
#[derive(Debug)]
pub struct ReadingBuilder<'a, F> {
    database: &'a Database<F>,
    reads: Vec<TransactGetItem>,
}

impl<F: Function> ReadingBuilder<'_, F> {
    /// Adds the item at `key`.
    pub fn get<K: Key>(mut self, key: &K) -> Result<Self, BuildError>
    where
        F: Granted<GetItem<K::Table>>,
    {
        let get = Get::builder()
            .table_name(self.database.name::<K::Table>())
            .set_key(Some(attributes(key)))
            .build()?;
        self.reads.push(TransactGetItem::builder().get(get).build());
        Ok(self)
    }

    /// The request, ready to send.
    pub fn build(self) -> TransactGetItemsFluentBuilder {
        self.database
            .client
            .transact_get_items()
            .set_transact_items(Some(self.reads))
    }
}

/// The writes of a transaction. The cancellation reasons are in the same order.
#[derive(Debug)]
pub struct TransactionBuilder<'a, F> {
    database: &'a Database<F>,
    writes: Vec<TransactWriteItem>,
}

impl<F: Function> TransactionBuilder<'_, F> {
    /// Adds a put of an `R` in its table.
    pub fn put<R: Record>(
        mut self,
        write: impl FnOnce(PutBuilder) -> PutBuilder,
    ) -> Result<Self, BuildError>
    where
        F: Granted<PutItem<R::Table>>,
    {
        let put = write(Put::builder().table_name(self.database.name::<R::Table>())).build()?;
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    /// Adds an update of the item at `key`.
    pub fn update<K: Key>(
        mut self,
        key: &K,
        write: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<Self, BuildError>
    where
        F: Granted<UpdateItem<K::Table>>,
    {
        let update = Update::builder()
            .table_name(self.database.name::<K::Table>())
            .set_key(Some(attributes(key)));
        let update = write(update).build()?;
        self.writes
            .push(TransactWriteItem::builder().update(update).build());
        Ok(self)
    }

    /// Adds a deletion of the item at `key`.
    pub fn delete<K: Key>(
        mut self,
        key: &K,
        write: impl FnOnce(DeleteBuilder) -> DeleteBuilder,
    ) -> Result<Self, BuildError>
    where
        F: Granted<DeleteItem<K::Table>>,
    {
        let delete = Delete::builder()
            .table_name(self.database.name::<K::Table>())
            .set_key(Some(attributes(key)));
        let delete = write(delete).build()?;
        self.writes
            .push(TransactWriteItem::builder().delete(delete).build());
        Ok(self)
    }

    /// The request, ready to send.
    pub fn build(self) -> TransactWriteItemsFluentBuilder {
        self.database
            .client
            .transact_write_items()
            .set_transact_items(Some(self.writes))
    }
}

fn attributes(key: &impl Key) -> Item {
    key.attributes()
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                KeyValue::String(value) => text(value),
                KeyValue::Number(value) => number(value),
            };
            (name.to_owned(), value)
        })
        .collect()
}
