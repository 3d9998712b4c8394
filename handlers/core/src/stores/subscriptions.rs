//! Subscribing and unsubscribing: one transaction each, so that no durable message can fall
//! between a subscription and a publish.

use aws_sdk_dynamodb::{
    error::SdkError, operation::transact_write_items::TransactWriteItemsError,
    types::CancellationReason,
};
use contract::{
    functions::Function,
    grants::{DeleteItem, Granted, PutItem, Query, UpdateItem},
    ids::{AccessKey, CorrelationId, JobId},
    limits::CONNECTION_TTL_SECONDS,
    tables::{ConnectionKey, Connections, JobKey, Jobs, NO_JOB, SubscriberKey, Subscribers},
    timestamp::Timestamp,
};

use super::{StoreError, error::through_conflicts};
use crate::{
    aws::Database,
    clock::Clock,
    models::{Connection, Subscriber, hash_of, number, text},
};

/// Who wants to watch which job.
#[derive(Clone, Debug)]
pub struct SubscriptionRequest<'a> {
    /// API Gateway's id of the connection.
    pub connection_id: &'a str,
    /// When the connection began.
    pub connected_at: Timestamp,
    /// Ties the log records of the connection together.
    pub correlation_id: CorrelationId,
    /// The job.
    pub job_id: &'a JobId,
    /// The job's key; needed but for a connection that already watches the job.
    pub access_key: Option<&'a AccessKey>,
}

/// Why a subscription was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key is missing or wrong, or there is no such job.
    Forbidden,
    /// The connection watches as many jobs as it may.
    TooMany,
    /// The connection is not known (any more).
    NoConnection,
    /// The client is still owed an earlier reply; it goes first.
    ReplyPending,
}

/// The subscriptions in `websocket_connections` and `job_subscribers`.
#[derive(Debug)]
pub struct SubscriptionStore<F> {
    database: Database<F>,
    clock: Clock,
    max_subscriptions: u32,
}

impl<F> Clone for SubscriptionStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
            max_subscriptions: self.max_subscriptions,
        }
    }
}

/// The first condition of a cancelled transaction that failed, by the order of its writes.
enum Cancelled {
    AtWrite(usize),
    Conflict,
    Failed(StoreError),
}

impl<F: Function> SubscriptionStore<F> {
    /// The subscriptions in the tables of `database`, at most `max_subscriptions` a connection.
    pub fn new(database: Database<F>, clock: Clock, max_subscriptions: u32) -> Self {
        Self {
            database,
            clock,
            max_subscriptions,
        }
    }

    /// Stores the subscription and adds 1 to the job's `subscribers_version`: a publisher that
    /// wrote before is seen in the log, one that writes later sees the new version.
    pub async fn subscribe(
        &self,
        request: &SubscriptionRequest<'_>,
    ) -> Result<Result<(), Refused>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<Subscribers>>,
    {
        let mut again = request.access_key.is_none();
        loop {
            let written = through_conflicts(
                || self.write_subscription(request, again),
                |cancelled| matches!(cancelled, Cancelled::Conflict),
            )
            .await;
            return Ok(match written {
                Ok(()) => Ok(()),
                // The connection watches the job already: renew without counting it twice.
                Err(Cancelled::AtWrite(WATCHED)) if !again => {
                    again = true;
                    continue;
                }
                Err(Cancelled::AtWrite(JOB | WATCHED)) => Err(Refused::Forbidden),
                Err(Cancelled::AtWrite(_)) => {
                    return self.why_refused(request.connection_id).await.map(Err);
                }
                Err(Cancelled::Conflict) => {
                    return Err(StoreError::call("subscribing")(
                        "the job's item is being written by too many at once".to_owned(),
                    ));
                }
                Err(Cancelled::Failed(error)) => return Err(error),
            });
        }
    }

    async fn write_subscription(
        &self,
        request: &SubscriptionRequest<'_>,
        again: bool,
    ) -> Result<(), Cancelled>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<Subscribers>>,
    {
        let now = self.clock.now();
        let mut watched = Connection::starting(
            request.connection_id,
            Some(request.job_id.clone()),
            request.correlation_id.clone(),
            request.connected_at.min(now),
        );
        watched.last_activity = now;
        watched.expires_at = now.plus_seconds(CONNECTION_TTL_SECONDS);
        let subscriber = Subscriber {
            job_id: request.job_id.clone(),
            connection_id: request.connection_id.to_owned(),
            connected_at: request.connected_at,
            correlation_id: request.correlation_id.clone(),
            expires_at: watched.expires_at.epoch_seconds(),
        };
        let key = request.access_key.map(hash_of);
        let watched_item = watched
            .to_dynamodb_item()
            .map_err(|error| Cancelled::Failed(error.into()))?;
        let subscriber_item = subscriber
            .to_dynamodb_item()
            .map_err(|error| Cancelled::Failed(error.into()))?;
        let job_key = JobKey {
            job_id: request.job_id.as_str(),
        };
        let own_key = ConnectionKey {
            connection_id: request.connection_id,
            job_id: NO_JOB,
        };
        let transaction = self
            .database
            .transaction()
            .update(&job_key, |update| {
                let update = update
                    .update_expression("ADD subscribers_version :one")
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":now", number(now.epoch_seconds()));
                match key {
                    Some(key) => update
                        .condition_expression("access_key_sha256 = :key AND expires_at > :now")
                        .expression_attribute_values(":key", text(key)),
                    None => update.condition_expression("expires_at > :now"),
                }
            })
            .and_then(|transaction| {
                transaction.update(&own_key, |update| {
                    let update = update
                        .expression_attribute_values(":now", text(now))
                        .expression_attribute_values(
                            ":expires_at",
                            number(watched.expires_at.epoch_seconds()),
                        );
                    if again {
                        update
                            .update_expression("SET last_activity = :now, expires_at = :expires_at")
                            .condition_expression(
                                "attribute_exists(connection_id) AND attribute_not_exists(pending_reply)",
                            )
                    } else {
                        update
                            .update_expression(
                                "SET last_activity = :now, expires_at = :expires_at \
                                 ADD subscriptions :one",
                            )
                            .condition_expression(
                                "attribute_exists(connection_id) AND subscriptions < :most AND \
                                 attribute_not_exists(pending_reply)",
                            )
                            .expression_attribute_values(":one", number(1))
                            .expression_attribute_values(":most", number(self.max_subscriptions))
                    }
                })
            })
            .and_then(|transaction| {
                transaction.put::<Connection>(|put| {
                    put.set_item(Some(watched_item)).condition_expression(if again {
                        "attribute_exists(connection_id)"
                    } else {
                        "attribute_not_exists(connection_id)"
                    })
                })
            })
            .and_then(|transaction| {
                transaction.put::<Subscriber>(|put| put.set_item(Some(subscriber_item)))
            })
            .map_err(|error| Cancelled::Failed(error.into()))?;
        transaction
            .build()
            .send()
            .await
            .map_err(|error| reason("subscribing", error))?;
        Ok(())
    }

    /// Which of the conditions on the connection's own item failed.
    async fn why_refused(&self, connection_id: &str) -> Result<Refused, StoreError>
    where
        F: Granted<UpdateItem<Connections>>,
    {
        let answer = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: NO_JOB,
            })
            .update_expression("SET last_activity = :now")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":now", text(self.clock.now()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await;
        let Ok(answer) = answer else {
            return Ok(Refused::NoConnection);
        };
        let own = Connection::from_dynamodb_item(answer.attributes.unwrap_or_default())?;
        Ok(if own.pending_reply.is_some() {
            Refused::ReplyPending
        } else {
            Refused::TooMany
        })
    }

    /// Deletes the subscription and adds 1 to the job's `subscribers_version`, so that its
    /// publisher stops. False when the connection did not watch the job.
    pub async fn unsubscribe(&self, connection_id: &str, job_id: &JobId) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<Subscribers>>,
    {
        let id = job_id.as_str();
        let job_key = JobKey { job_id: id };
        let watched_key = ConnectionKey {
            connection_id,
            job_id: id,
        };
        let own_key = ConnectionKey {
            connection_id,
            job_id: NO_JOB,
        };
        let subscriber_key = SubscriberKey {
            job_id: id,
            connection_id,
        };
        let write = || async {
            let transaction = self
                .database
                .transaction()
                .delete(&watched_key, |delete| {
                    delete.condition_expression("attribute_exists(connection_id)")
                })
                .and_then(|transaction| {
                    transaction.update(&own_key, |update| {
                        update
                            .update_expression("ADD subscriptions :less")
                            .condition_expression("attribute_exists(connection_id)")
                            .expression_attribute_values(":less", number(-1))
                    })
                })
                .and_then(|transaction| transaction.delete(&subscriber_key, |delete| delete))
                .and_then(|transaction| {
                    transaction.update(&job_key, |update| {
                        update
                            .update_expression("ADD subscribers_version :one")
                            .condition_expression("attribute_exists(job_id)")
                            .expression_attribute_values(":one", number(1))
                    })
                })
                .map_err(|error| Cancelled::Failed(error.into()))?;
            transaction
                .build()
                .send()
                .await
                .map_err(|error| reason("unsubscribing", error))
        };
        match through_conflicts(write, |cancelled| matches!(cancelled, Cancelled::Conflict)).await {
            Ok(_) => Ok(true),
            Err(Cancelled::AtWrite(_)) => Ok(false),
            Err(Cancelled::Conflict) => Err(StoreError::call("unsubscribing")(
                "the job's item is being written by too many at once".to_owned(),
            )),
            Err(Cancelled::Failed(error)) => Err(error),
        }
    }

    /// Everyone who watches the job, exactly.
    pub async fn of_job(&self, job_id: &JobId) -> Result<Vec<Subscriber>, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let now = self.clock.now();
        let items = self
            .database
            .query::<Subscribers>()
            .key_condition_expression("job_id = :job_id")
            .expression_attribute_values(":job_id", text(job_id))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(StoreError::of("reading the subscribers of a job"))?;
        let subscribers: Result<Vec<_>, _> = items
            .into_iter()
            .map(Subscriber::from_dynamodb_item)
            .collect();
        Ok(subscribers?
            .into_iter()
            .filter(|subscriber| subscriber.is_live(now))
            .collect())
    }
}

/// The place of the job's update, and of the put of the watched job, in the transaction.
const JOB: usize = 0;
const WATCHED: usize = 2;

fn reason(operation: &'static str, error: SdkError<TransactWriteItemsError>) -> Cancelled {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return Cancelled::Failed(StoreError::of(operation)(error));
    };
    let codes: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .filter_map(CancellationReason::code)
        .collect();
    let failed = |write: &usize| codes.get(*write) == Some(&"ConditionalCheckFailed");
    // A job that is watched already counts before the limit on how many may be watched.
    if let Some(write) = [JOB, WATCHED]
        .into_iter()
        .chain(0..codes.len())
        .find(failed)
    {
        Cancelled::AtWrite(write)
    } else if codes.contains(&"TransactionConflict") {
        Cancelled::Conflict
    } else {
        Cancelled::Failed(StoreError::call(operation)(codes.join(", ")))
    }
}
