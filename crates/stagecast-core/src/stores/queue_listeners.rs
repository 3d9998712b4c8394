//! The workers that listen to queues.
//!
//! Each listener has two items: one in the partition of its queue, which a wake-up reads, and one among those of
//! its connection, by which the end of the connection finds it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use granted_aws::{Database, Item, number, text};
use stagecast_contract::{
    limits::CONNECTION_TTL_SECONDS,
    tables::{CONNECTION_SENTINEL, ConnectionKey, Connections, WorkQueueKey, WorkQueues},
    worker_queues::QueueName,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, Query, UpdateItem},
    tables::Record as _,
};

use super::{
    StoreError,
    connections::{expiry, is_half_expired},
    error::{all_items, condition_met, is_conflict},
    transactions::{CancelledTransaction, cancellation_cause, contended, is_read_conflict},
};
use crate::{
    clock::{Clock, random},
    models::{Connection, ConnectionListener, QueueListener},
    retry::RetryPolicy,
};

/// Listeners that one read of a queue evaluates. DynamoDB charges for each of them, armed or not.
const PAGE_SIZE: i32 = 100;

/// How often [`QueueListenerStore::listen`] reads and writes again after a parallel request of the connection.
const MAX_ATTEMPTS: u32 = 5;

/// Why a connection may not listen to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// The connection listens to the maximum number of queues.
    TooMany,
    /// The connection has no item, or none any more.
    NoConnection,
}

/// The listeners in `work_queues` and `websocket_connections`.
#[derive(Debug)]
pub struct QueueListenerStore<F> {
    database: Database<F>,
    clock: Clock,
}

impl<F> Clone for QueueListenerStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<F: Function> QueueListenerStore<F> {
    /// A store of listeners in the tables of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Stores a listener that is not armed, or renews and disarms it. A connection may listen to `max` queues.
    pub async fn listen(
        &self,
        connection_id: &str,
        queue: &QueueName,
        max: u32,
    ) -> Result<Result<QueueListener, ListenError>, StoreError>
    where
        F: Granted<GetItem<Connections>>
            + Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<WorkQueues>>,
    {
        for _ in 0..MAX_ATTEMPTS {
            let (connection, listener) = self.load(connection_id, queue).await?;
            let Some(connection) = connection.filter(|it| it.is_live(self.clock.now())) else {
                return Ok(Err(ListenError::NoConnection));
            };
            if listener.is_none() && connection.listeners >= max {
                return Ok(Err(ListenError::TooMany));
            }
            let is_renewal = listener.is_some();
            let written = RetryPolicy::TRANSACTION_CONFLICT
                .run(
                    || self.store(connection_id, queue, max, is_renewal),
                    |cancelled| matches!(cancelled, CancelledTransaction::Contended),
                )
                .await;
            match written {
                Ok(stored) => return Ok(Ok(stored)),
                // Another request of the connection, or its end: read again which of them.
                Err(CancelledTransaction::Condition) => {}
                Err(CancelledTransaction::Contended) => return Err(contended("listening")),
                Err(CancelledTransaction::Failed(error)) => return Err(error),
            }
        }
        Err(contended("listening"))
    }

    /// The connection and its item of the queue, as of one point in time.
    async fn load(
        &self,
        connection_id: &str,
        queue: &QueueName,
    ) -> Result<(Option<Connection>, Option<ConnectionListener>), StoreError>
    where
        F: Granted<GetItem<Connections>>,
    {
        let reading = self
            .database
            .reading()
            .get(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })?
            .get(&ConnectionKey {
                connection_id,
                job_id: &ConnectionListener::entry_of(queue),
            })?
            .build();
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| reading.clone().send(), is_read_conflict)
            .await
            .map_err(StoreError::of("reading a listener"))?;
        let items = answer.responses.unwrap_or_default();
        let mut items = items.into_iter().map(|answer| answer.item);
        let mut next = || items.next().flatten().filter(|item| !item.is_empty());
        let connection = next().map(Connection::from_dynamodb_item).transpose()?;
        let listener = next().map(ConnectionListener::from_dynamodb_item);
        Ok((connection, listener.transpose()?))
    }

    async fn store(
        &self,
        connection_id: &str,
        queue: &QueueName,
        max: u32,
        is_renewal: bool,
    ) -> Result<QueueListener, CancelledTransaction>
    where
        F: Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<WorkQueues>>,
    {
        let now = self.clock.now();
        let expires_at = expiry(now);
        let listener = QueueListener::new(queue.clone(), connection_id.to_owned(), expires_at);
        let of_connection =
            ConnectionListener::new(connection_id.to_owned(), queue.clone(), now, expires_at);
        let failed = |error: crate::models::InvalidItem| CancelledTransaction::Failed(error.into());
        let listener_item = listener.to_dynamodb_item().map_err(failed)?;
        let connection_item = of_connection.to_dynamodb_item().map_err(failed)?;
        let transaction = self
            .database
            .transaction()
            .update(
                &ConnectionKey {
                    connection_id,
                    job_id: CONNECTION_SENTINEL,
                },
                |update| {
                    let update = update
                        .expression_attribute_values(":now", text(now))
                        .expression_attribute_values(":expires_at", number(expires_at));
                    let set = "SET last_activity = :now, expires_at = :expires_at";
                    if is_renewal {
                        return update
                            .update_expression(set)
                            .condition_expression("attribute_exists(connection_id)");
                    }
                    update
                        .update_expression(format!("{set} ADD listeners :one"))
                        .condition_expression(
                            "attribute_exists(connection_id) AND \
                             (attribute_not_exists(listeners) OR listeners < :most)",
                        )
                        .expression_attribute_values(":one", number(1))
                        .expression_attribute_values(":most", number(max))
                },
            )
            .and_then(|transaction| {
                transaction.put::<ConnectionListener>(|put| {
                    put.set_item(Some(connection_item))
                        .condition_expression(if is_renewal {
                            "attribute_exists(connection_id)"
                        } else {
                            "attribute_not_exists(connection_id)"
                        })
                })
            })
            .and_then(|transaction| {
                transaction.put::<QueueListener>(|put| put.set_item(Some(listener_item)))
            })
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        transaction
            .build()
            .send()
            .await
            .map_err(|error| cancellation_cause("listening", error))?;
        Ok(listener)
    }

    /// Deletes the listener. False when the connection did not listen to the queue.
    pub async fn stop(&self, connection_id: &str, queue: &QueueName) -> Result<bool, StoreError>
    where
        F: Granted<GetItem<Connections>>
            + Granted<UpdateItem<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<WorkQueues>>,
    {
        // A transaction whose condition fails costs as much as one that succeeds, so read first.
        let (_, listener) = self.load(connection_id, queue).await?;
        let Some(listener) = listener else {
            return Ok(false);
        };
        let entry = QueueListener::entry_of(connection_id);
        let write = || async {
            let transaction = self
                .database
                .transaction()
                .delete(&listener.key(), |delete| {
                    delete.condition_expression("attribute_exists(connection_id)")
                })
                .and_then(|transaction| {
                    let key = ConnectionKey {
                        connection_id,
                        job_id: CONNECTION_SENTINEL,
                    };
                    transaction.update(&key, |update| {
                        update
                            .update_expression("ADD listeners :less")
                            .condition_expression("attribute_exists(connection_id)")
                            .expression_attribute_values(":less", number(-1))
                    })
                })
                .and_then(|transaction| {
                    let key = WorkQueueKey {
                        queue: queue.as_str(),
                        entry: &entry,
                    };
                    transaction.delete(&key, |delete| delete)
                })
                .map_err(|error| CancelledTransaction::Failed(error.into()))?;
            transaction
                .build()
                .send()
                .await
                .map_err(|error| cancellation_cause("stopping to listen", error))
        };
        let is_contended =
            |cancelled: &CancelledTransaction| matches!(cancelled, CancelledTransaction::Contended);
        match RetryPolicy::TRANSACTION_CONFLICT
            .run(write, is_contended)
            .await
        {
            Ok(_) => Ok(true),
            Err(CancelledTransaction::Condition) => Ok(false),
            Err(CancelledTransaction::Contended) => Err(contended("stopping to listen")),
            Err(CancelledTransaction::Failed(error)) => Err(error),
        }
    }

    /// Renews the listeners of an active connection, if less than half of their life is left. `connection` is its
    /// item as it was before the activity.
    pub async fn renew(&self, connection: &Connection) -> Result<(), StoreError>
    where
        F: Granted<Query<Connections>>
            + Granted<UpdateItem<Connections>>
            + Granted<UpdateItem<WorkQueues>>,
    {
        let now = self.clock.now();
        let expire_at = connection
            .listeners_expire_at
            .unwrap_or_else(|| connection.created_at.plus_seconds(CONNECTION_TTL_SECONDS));
        if connection.listeners == 0 || !is_half_expired(expire_at, now) {
            return Ok(());
        }
        let connection_id = &connection.connection_id;
        for listener in self.of_connection(connection_id).await? {
            let entry = QueueListener::entry_of(connection_id);
            let key = WorkQueueKey {
                queue: listener.queue.as_str(),
                entry: &entry,
            };
            self.extend(self.database.update_item(&key)).await?;
            self.extend(self.database.update_item(&listener.key()))
                .await?;
        }
        // Last, so that after a failure the client's next message retries.
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })
            .update_expression("SET listeners_expire_at = :expires_at")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":expires_at", number(expiry(now)));
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| update.clone().send(), is_conflict)
            .await;
        condition_met("renewing a connection", answer)?;
        Ok(())
    }

    async fn extend(
        &self,
        update: aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder,
    ) -> Result<(), StoreError> {
        let update = update
            .update_expression("SET expires_at = :expires_at")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":expires_at", number(expiry(self.clock.now())));
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| update.clone().send(), is_conflict)
            .await;
        // A missing item is no error: the listener was deleted meanwhile.
        condition_met("renewing a listener", answer)?;
        Ok(())
    }

    /// Deletes the listeners of a connection whose own item was deleted before, so that none can be stored
    /// meanwhile. Idempotent.
    pub async fn forget(&self, connection_id: &str) -> Result<(), StoreError>
    where
        F: Granted<Query<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<WorkQueues>>,
    {
        let listeners = self.of_connection(connection_id).await?;
        try_join_all(listeners.iter().map(async |listener| {
            self.delete(&listener.queue, connection_id).await?;
            // Last, so that after an interruption the next call finds the listener.
            let delete = self.database.delete_item(&listener.key());
            RetryPolicy::TRANSACTION_CONFLICT
                .run(|| delete.clone().send(), is_conflict)
                .await
                .map_err(StoreError::of("deleting a listener"))
        }))
        .await?;
        Ok(())
    }

    async fn of_connection(
        &self,
        connection_id: &str,
    ) -> Result<Vec<ConnectionListener>, StoreError>
    where
        F: Granted<Query<Connections>>,
    {
        let query = self
            .database
            .query::<Connections>()
            .key_condition_expression(
                "connection_id = :connection_id AND begins_with(job_id, :prefix)",
            )
            .expression_attribute_values(":connection_id", text(connection_id))
            .expression_attribute_values(":prefix", text(ConnectionListener::PREFIX));
        let items = all_items("reading the listeners of a connection", query).await?;
        let listeners = items
            .into_iter()
            .map(ConnectionListener::from_dynamodb_item);
        Ok(listeners.collect::<Result<_, _>>()?)
    }
}

/// What wakes a worker, and what arms it.
impl<F: Function> QueueListenerStore<F> {
    /// Arms the listener with this id: its worker has found the queue empty. False when there is no such
    /// listener, or none any more.
    pub async fn arm(&self, queue: &QueueName, listener: &str) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<WorkQueues>>,
    {
        let entry = QueueListener::entry_of(listener);
        let key = WorkQueueKey {
            queue: queue.as_str(),
            entry: &entry,
        };
        let now = self.clock.now().epoch_seconds();
        let update = self
            .database
            .update_item(&key)
            .update_expression("SET is_armed = :armed")
            .condition_expression("expires_at > :now")
            .expression_attribute_values(":armed", AttributeValue::Bool(true))
            .expression_attribute_values(":now", number(now));
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| update.clone().send(), is_conflict)
            .await;
        Ok(condition_met("arming a listener", answer)?.is_some())
    }

    /// Disarms the listener with this id. False when it is not armed, or does not exist.
    pub async fn disarm(&self, queue: &QueueName, listener: &str) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<WorkQueues>>,
    {
        let entry = QueueListener::entry_of(listener);
        let key = WorkQueueKey {
            queue: queue.as_str(),
            entry: &entry,
        };
        let update = self
            .database
            .update_item(&key)
            .update_expression("SET is_armed = :disarmed")
            .condition_expression("is_armed = :armed")
            .expression_attribute_values(":armed", AttributeValue::Bool(true))
            .expression_attribute_values(":disarmed", AttributeValue::Bool(false));
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| update.clone().send(), is_conflict)
            .await;
        Ok(condition_met("disarming a listener", answer)?.is_some())
    }

    /// Armed listeners of the queue, at most `limit` of them in a random order, by consistent reads. One read for
    /// a queue of up to 100 listeners; beyond, the reads begin at a random listener.
    pub async fn armed(
        &self,
        queue: &QueueName,
        limit: usize,
    ) -> Result<Vec<QueueListener>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let (first, last) = (QueueListener::position(0), QueueListener::AFTER_ALL);
        let page = self.page(queue, &first, last, None).await?;
        let mut armed = page.armed;
        if page.last.is_some() {
            armed.clear();
            let start = QueueListener::position(u16::from_be_bytes(random()));
            // From the start to the end, then from the beginning to the start.
            for (from, to) in [(&*start, last), (&*first, &*start)] {
                let mut after = None;
                while armed.len() < limit {
                    let page = self.page(queue, from, to, after).await?;
                    armed.extend(page.armed);
                    after = page.last;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        fastrand::shuffle(&mut armed);
        armed.truncate(limit);
        Ok(armed)
    }

    /// The armed listeners among the next [`PAGE_SIZE`] with sort keys from `from` to `to`.
    async fn page(
        &self,
        queue: &QueueName,
        from: &str,
        to: &str,
        after: Option<HashMap<String, AttributeValue>>,
    ) -> Result<ListenerPage, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let now = self.clock.now().epoch_seconds();
        let answer = self
            .database
            .query::<WorkQueues>()
            .key_condition_expression("#queue = :queue AND #entry BETWEEN :from AND :to")
            .filter_expression("is_armed = :armed AND expires_at > :now")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":queue", text(queue))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .expression_attribute_values(":armed", AttributeValue::Bool(true))
            .expression_attribute_values(":now", number(now))
            .consistent_read(true)
            .limit(PAGE_SIZE)
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(StoreError::of("reading the listeners of a queue"))?;
        let armed = answer.items.unwrap_or_default();
        let armed = armed.into_iter().map(QueueListener::from_dynamodb_item);
        Ok(ListenerPage {
            armed: armed.collect::<Result<_, _>>()?,
            last: answer.last_evaluated_key,
        })
    }

    /// Deletes the listener of a connection that is gone.
    pub async fn delete(&self, queue: &QueueName, connection_id: &str) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        let entry = QueueListener::entry_of(connection_id);
        let delete = self.database.delete_item(&WorkQueueKey {
            queue: queue.as_str(),
            entry: &entry,
        });
        RetryPolicy::TRANSACTION_CONFLICT
            .run(|| delete.clone().send(), is_conflict)
            .await
            .map_err(StoreError::of("deleting a listener"))?;
        Ok(())
    }
}

/// A page of a queue's listeners.
struct ListenerPage {
    armed: Vec<QueueListener>,
    /// The key of the last item that was evaluated, if others may follow.
    last: Option<Item>,
}
