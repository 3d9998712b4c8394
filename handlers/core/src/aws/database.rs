//! DynamoDB, as far as a function is granted it.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::builders::DeleteItemFluentBuilder, get_item::builders::GetItemFluentBuilder,
        put_item::builders::PutItemFluentBuilder, query::builders::QueryFluentBuilder,
        transact_write_items::builders::TransactWriteItemsFluentBuilder,
        update_item::builders::UpdateItemFluentBuilder,
    },
    types::{
        Delete, Put, TransactWriteItem, Update,
        builders::{DeleteBuilder, PutBuilder, UpdateBuilder},
    },
};
use aws_smithy_types::error::operation::BuildError;
use contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, Query, QueryIndex, UpdateItem},
    tables::{Index, Table},
};

use super::Environment;

/// DynamoDB for the function `F`.
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

    /// Reads one item of `T`.
    pub fn get_item<T: Table>(&self) -> GetItemFluentBuilder
    where
        F: Granted<GetItem<T>>,
    {
        self.client.get_item().table_name(self.name::<T>())
    }

    /// Writes one item of `T`.
    pub fn put_item<T: Table>(&self) -> PutItemFluentBuilder
    where
        F: Granted<PutItem<T>>,
    {
        self.client.put_item().table_name(self.name::<T>())
    }

    /// Changes one item of `T`.
    pub fn update_item<T: Table>(&self) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<T>>,
    {
        self.client.update_item().table_name(self.name::<T>())
    }

    /// Deletes one item of `T`.
    pub fn delete_item<T: Table>(&self) -> DeleteItemFluentBuilder
    where
        F: Granted<DeleteItem<T>>,
    {
        self.client.delete_item().table_name(self.name::<T>())
    }

    /// Reads the items of one partition of `T`.
    pub fn query<T: Table>(&self) -> QueryFluentBuilder
    where
        F: Granted<Query<T>>,
    {
        self.client.query().table_name(self.name::<T>())
    }

    /// Reads the items of one partition of the index `I`.
    pub fn query_index<I: Index>(&self) -> QueryFluentBuilder
    where
        F: Granted<QueryIndex<I>>,
    {
        self.client
            .query()
            .table_name(self.name::<I::Table>())
            .index_name(I::SPEC.name)
    }

    /// Writes to several items, all or none. IAM asks for the grants of the writes in it.
    pub fn transaction(&self) -> TransactionBuilder<'_, F> {
        TransactionBuilder {
            database: self,
            writes: Vec::new(),
        }
    }
}

/// The writes of a transaction, in order; a cancelled transaction's reasons have the same order.
#[derive(Debug)]
pub struct TransactionBuilder<'a, F> {
    database: &'a Database<F>,
    writes: Vec<TransactWriteItem>,
}

impl<F: Function> TransactionBuilder<'_, F> {
    /// Adds the writing of an item of `T`.
    pub fn put<T: Table>(
        mut self,
        write: impl FnOnce(PutBuilder) -> PutBuilder,
    ) -> Result<Self, BuildError>
    where
        F: Granted<PutItem<T>>,
    {
        let put = write(Put::builder().table_name(self.database.name::<T>())).build()?;
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    /// Adds the change of an item of `T`.
    pub fn update<T: Table>(
        mut self,
        write: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<Self, BuildError>
    where
        F: Granted<UpdateItem<T>>,
    {
        let update = write(Update::builder().table_name(self.database.name::<T>())).build()?;
        self.writes
            .push(TransactWriteItem::builder().update(update).build());
        Ok(self)
    }

    /// Adds the deletion of an item of `T`.
    pub fn delete<T: Table>(
        mut self,
        write: impl FnOnce(DeleteBuilder) -> DeleteBuilder,
    ) -> Result<Self, BuildError>
    where
        F: Granted<DeleteItem<T>>,
    {
        let delete = write(Delete::builder().table_name(self.database.name::<T>())).build()?;
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
