//! Subscribing to the feed of an owner, and unsubscribing from it.
//!
//! The items are as those of a subscription to a job, with the key of the feed in place of the job's id. No job's item is
//! written: publishers read the subscribers of the feed after each durable message (ADR 0084).

use granted_aws::{number, text};
use stagecast_contract::{
    ids::CorrelationId,
    limits::CONNECTION_TTL_SECONDS,
    tables::{CONNECTION_SENTINEL, ConnectionKey, Connections, SubscriberKey, Subscribers},
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, UpdateItem},
};

use super::{
    StoreError, SubscribeError, SubscriptionStore,
    connections::is_half_expired,
    transactions::{CancelledTransaction, cancellation_cause, contended},
};
use crate::{
    models::{Connection, Feed, FeedSubscriber},
    retry::RetryPolicy,
};

const SUBSCRIBING: &str = "subscribing to the feed of an owner";
const UNSUBSCRIBING: &str = "unsubscribing from the feed of an owner";

/// How often the items are read again after another request of the same connection has changed them.
const MAX_ATTEMPTS: u32 = 5;

/// A connection that subscribes to the feed of an owner.
#[derive(Clone, Debug)]
pub struct FeedRequest<'a> {
    /// API Gateway's id of the connection.
    pub connection_id: &'a str,
    /// When the connection began.
    pub connected_at: Timestamp,
    /// The id that all log records of the connection have.
    pub correlation_id: CorrelationId,
    /// The feed.
    pub feed: &'a Feed,
}

impl<F: Function> SubscriptionStore<F> {
    /// Subscribes the connection to the feed, or renews the subscription. The subscription counts as one of the
    /// connection's `max_subscriptions`. Does not write if the connection is subscribed to the same feed with the
    /// same labels, and more than half of the subscription's life is left.
    pub async fn subscribe_to_feed(
        &self,
        request: &FeedRequest<'_>,
        max_subscriptions: u32,
    ) -> Result<Result<(), SubscribeError>, StoreError>
    where
        F: Granted<GetItem<Connections>>
            + Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<Subscribers>>,
    {
        for _ in 0..MAX_ATTEMPTS {
            let (connection_id, key) = (request.connection_id, request.feed.key());
            let (connection, subscription) = tokio::try_join!(
                self.item(connection_id, CONNECTION_SENTINEL),
                self.item(connection_id, key),
            )?;
            let now = self.clock.now();
            let Some(connection) = connection.filter(|it| it.is_live(now)) else {
                return Ok(Err(SubscribeError::NoConnection));
            };
            let is_renewal = match &subscription {
                Some(known) if known.feed.as_ref() == Some(request.feed) => {
                    if !is_half_expired(known.expires_at, now) {
                        return Ok(Ok(()));
                    }
                    true
                }
                Some(_) => true,
                None if connection.subscriptions >= max_subscriptions => {
                    return Ok(Err(SubscribeError::TooMany));
                }
                None => false,
            };
            let written = RetryPolicy::TRANSACTION_CONFLICT
                .run(
                    || self.write_feed(request, is_renewal, max_subscriptions),
                    |cancelled| matches!(cancelled, CancelledTransaction::Contended),
                )
                .await;
            match written {
                Ok(()) => return Ok(Ok(())),
                Err(CancelledTransaction::Condition) => {}
                Err(CancelledTransaction::Contended) => return Err(contended(SUBSCRIBING)),
                Err(CancelledTransaction::Failed(error)) => return Err(error),
            }
        }
        Err(contended(SUBSCRIBING))
    }

    async fn item(&self, connection_id: &str, key: &str) -> Result<Option<Connection>, StoreError>
    where
        F: Granted<GetItem<Connections>>,
    {
        let answer = self
            .database
            .get_item(&ConnectionKey {
                connection_id,
                job_id: key,
            })
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::of("reading a subscription"))?;
        Ok(answer
            .item
            .map(Connection::from_dynamodb_item)
            .transpose()?)
    }

    async fn write_feed(
        &self,
        request: &FeedRequest<'_>,
        is_renewal: bool,
        max_subscriptions: u32,
    ) -> Result<(), CancelledTransaction>
    where
        F: Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<Subscribers>>,
    {
        let now = self.clock.now();
        let expires_at = now.plus_seconds(CONNECTION_TTL_SECONDS);
        let (feed, correlation_id) = (request.feed, &request.correlation_id);
        let connected_at = request.connected_at.min(now);
        let mut subscription = Connection::of_feed(
            request.connection_id,
            feed.clone(),
            correlation_id.clone(),
            connected_at,
        );
        subscription.last_activity = now;
        subscription.expires_at = expires_at;
        let subscriber = FeedSubscriber::new(
            feed,
            request.connection_id,
            request.connected_at,
            correlation_id.clone(),
            now,
            expires_at,
        );
        let subscription = subscription
            .to_dynamodb_item()
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        let subscriber = subscriber
            .to_dynamodb_item()
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        let connection_key = ConnectionKey {
            connection_id: request.connection_id,
            job_id: CONNECTION_SENTINEL,
        };
        let transaction = self
            .database
            .transaction()
            .update(&connection_key, |update| {
                let mut set = "SET last_activity = :now, expires_at = :expires_at".to_owned();
                let mut condition = "attribute_exists(connection_id)".to_owned();
                let mut update = update
                    .expression_attribute_values(":now", text(now))
                    .expression_attribute_values(":expires_at", number(expires_at.epoch_seconds()));
                if !is_renewal {
                    set.push_str(" ADD subscriptions :one");
                    condition.push_str(" AND subscriptions < :most");
                    update = update
                        .expression_attribute_values(":one", number(1))
                        .expression_attribute_values(":most", number(max_subscriptions));
                }
                update
                    .update_expression(set)
                    .condition_expression(condition)
            })
            .and_then(|transaction| {
                transaction.put::<Connection>(|put| {
                    put.set_item(Some(subscription))
                        .condition_expression(if is_renewal {
                            "attribute_exists(connection_id)"
                        } else {
                            "attribute_not_exists(connection_id)"
                        })
                })
            })
            .and_then(|transaction| {
                transaction.put::<FeedSubscriber>(|put| put.set_item(Some(subscriber)))
            })
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        transaction
            .build()
            .send()
            .await
            .map_err(|error| cancellation_cause(SUBSCRIBING, error))?;
        Ok(())
    }

    /// Ends the subscription of the connection to the feed. Succeeds without one.
    pub async fn unsubscribe_from_feed(
        &self,
        connection_id: &str,
        feed: &Feed,
    ) -> Result<(), StoreError>
    where
        F: Granted<GetItem<Connections>>
            + Granted<UpdateItem<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<Subscribers>>,
    {
        let key = feed.key();
        // A transaction whose condition fails costs as much as one that succeeds, so read first.
        if self.item(connection_id, key).await?.is_none() {
            return Ok(());
        }
        let subscription_key = ConnectionKey {
            connection_id,
            job_id: key,
        };
        let connection_key = ConnectionKey {
            connection_id,
            job_id: CONNECTION_SENTINEL,
        };
        let subscriber_key = SubscriberKey {
            job_id: key,
            connection_id,
        };
        let write = || async {
            let transaction = self
                .database
                .transaction()
                .delete(&subscription_key, |delete| {
                    delete.condition_expression("attribute_exists(connection_id)")
                })
                .and_then(|transaction| {
                    transaction.update(&connection_key, |update| {
                        update
                            .update_expression("ADD subscriptions :less")
                            .condition_expression("attribute_exists(connection_id)")
                            .expression_attribute_values(":less", number(-1))
                    })
                })
                .and_then(|transaction| transaction.delete(&subscriber_key, |delete| delete))
                .map_err(|error| CancelledTransaction::Failed(error.into()))?;
            transaction
                .build()
                .send()
                .await
                .map_err(|error| cancellation_cause(UNSUBSCRIBING, error))
        };
        match RetryPolicy::TRANSACTION_CONFLICT
            .run(write, |cancelled| {
                matches!(cancelled, CancelledTransaction::Contended)
            })
            .await
        {
            // Another request has ended the subscription, or the connection has ended.
            Ok(_) | Err(CancelledTransaction::Condition) => Ok(()),
            Err(CancelledTransaction::Contended) => Err(contended(UNSUBSCRIBING)),
            Err(CancelledTransaction::Failed(error)) => Err(error),
        }
    }
}
