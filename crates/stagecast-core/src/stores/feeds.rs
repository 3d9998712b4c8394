//! Subscribing to the feed of an owner, and unsubscribing from it.
//!
//! The items are as those of a subscription to a job, with the key of the feed in place of the job's id. No job's item is
//! written: publishers read the subscribers of the feed after each durable message (ADR 0084).

use granted_aws::{number, text};
use stagecast_contract::{
    ids::CorrelationId,
    limits::CONNECTION_TTL_SECONDS,
    tables::{CONNECTION_SENTINEL, ConnectionKey, Connections, Jobs, Subscribers},
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, UpdateItem},
};

use super::{
    StoreError, SubscribeError, SubscriptionStore,
    connections::is_half_expired,
    subscriptions::{self, with_subscription},
    transactions::{CancelledTransaction, cancellation_cause, contended},
};
use crate::{
    models::{Connection, Feed, FeedSubscriber, TokenAccess},
    retry::RetryPolicy,
};

const SUBSCRIBING: &str = "subscribing to the feed of an owner";

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
    /// The token that permits to watch it.
    pub token: TokenAccess,
}

impl<F: Function> SubscriptionStore<F> {
    /// Subscribes the connection to the feed, or renews the subscription. The subscription counts as one of the
    /// connection's `max_subscriptions`. Does not write if the connection is subscribed to the same feed with the
    /// same labels by the same token or a later one, and more than half of the subscription's life is left. Returns the
    /// token of the subscription: the one that expires later.
    pub async fn subscribe_to_feed(
        &self,
        request: &FeedRequest<'_>,
        max_subscriptions: u32,
    ) -> Result<Result<TokenAccess, SubscribeError>, StoreError>
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
            let same_feed = |known: &&Connection| known.feed.as_ref() == Some(request.feed);
            let same = subscription.as_ref().filter(same_feed);
            // A token with other labels is another permission: only the new one counts.
            let earlier = same.and_then(|known| known.token.as_ref());
            let token = request.token.clone().replacing(earlier);
            if same.is_some_and(|known| {
                known.token.as_ref() == Some(&token) && !is_half_expired(known.expires_at, now)
            }) {
                return Ok(Ok(token));
            }
            if subscription.is_none() && connection.subscriptions >= max_subscriptions {
                return Ok(Err(SubscribeError::TooMany));
            }
            let known = subscription.as_ref();
            let written = RetryPolicy::TRANSACTION_CONFLICT
                .run(
                    || self.write_feed(request, &token, known, max_subscriptions),
                    |cancelled| matches!(cancelled, CancelledTransaction::Contended),
                )
                .await;
            match written {
                Ok(()) => return Ok(Ok(token)),
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
        token: &TokenAccess,
        known: Option<&Connection>,
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
        subscription.token = Some(token.clone());
        let subscriber = FeedSubscriber::of(&subscription, now);
        let subscription = subscription
            .to_dynamodb_item()
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        let subscriber = subscriber
            .map(|subscriber| subscriber.to_dynamodb_item())
            .transpose()
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
                if known.is_none() {
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
                    with_subscription(put.set_item(Some(subscription)), known)
                })
            })
            .and_then(|transaction| {
                transaction.put::<FeedSubscriber>(|put| put.set_item(subscriber))
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
            + Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<Subscribers>>,
    {
        // A transaction whose condition fails costs as much as one that succeeds, so read first.
        let key = feed.key();
        if self.item(connection_id, key).await?.is_some() {
            subscriptions::end(&self.database, connection_id, key, None, None).await?;
        }
        Ok(())
    }
}
