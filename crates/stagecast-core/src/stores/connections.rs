//! Connections: their start, their renewal and their end.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::{
        UpdateItemError, UpdateItemOutput, builders::UpdateItemFluentBuilder,
    },
    types::ReturnValue,
};
use futures_util::future::try_join_all;
use granted_aws::{Database, number, text};
use sha2::{Digest, Sha256};
use stagecast_contract::{
    ids::{CorrelationId, JobId},
    limits::CONNECTION_TTL_SECONDS,
    tables::{CONNECTION_SENTINEL, ConnectionKey, Connections, SubscriberKey, Subscribers},
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, Query, UpdateItem},
};

use super::{
    StoreError, allowance,
    error::{all_items, condition_met, is_conflict},
};
use crate::{
    clock::Clock,
    models::{
        Connection, ConnectionListener, PendingReply, ReplayAllowance, SentRange, Subscriber,
    },
    retry::RetryPolicy,
};

/// The correlation id of a connection. It is computed from data that every event of the connection
/// contains, so that no invocation has to read it from a table.
pub fn correlation_id(connection_id: &str, connected_at: Timestamp) -> CorrelationId {
    let digest = Sha256::digest(connection_id);
    let mut random = [0; 8];
    random.copy_from_slice(&digest[..8]);
    CorrelationId::new(connected_at, random)
}

/// The items of connections in `websocket_connections`.
#[derive(Debug)]
pub struct ConnectionStore<F> {
    pub(super) database: Database<F>,
    clock: Clock,
}

impl<F> Clone for ConnectionStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<F: Function> ConnectionStore<F> {
    /// A store of connections in the tables of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Stores a new connection.
    pub async fn connect(
        &self,
        connection_id: &str,
        correlation_id: CorrelationId,
    ) -> Result<(), StoreError>
    where
        F: Granted<PutItem<Connections>>,
    {
        let connection =
            Connection::starting(connection_id, None, correlation_id, self.clock.now());
        self.database
            .put_item::<Connection>()
            .set_item(Some(connection.to_dynamodb_item()?))
            .send()
            .await
            .map_err(StoreError::of("storing the connection"))?;
        Ok(())
    }

    /// Stores a reply that the client's first message triggers.
    pub async fn set_pending_reply(
        &self,
        connection_id: &str,
        reply: PendingReply,
    ) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Connections>>,
    {
        let reply = serde_dynamo::to_attribute_value(reply)
            .map_err(|error| StoreError::call("storing the pending reply")(error.to_string()))?;
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })
            .update_expression("SET pending_reply = :reply")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":reply", reply);
        self.update(update)
            .await
            .map_err(StoreError::of("storing the pending reply"))?;
        Ok(())
    }

    /// Replaces the connection's replay allowance. False when another request has replaced it since
    /// `before` was read, or the connection has ended.
    pub async fn charge_replay(
        &self,
        connection_id: &str,
        before: ReplayAllowance,
        after: ReplayAllowance,
    ) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<Connections>>,
    {
        let mut update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })
            .update_expression("SET replay_full_at = :full_at")
            .condition_expression(format!(
                "attribute_exists(connection_id) AND {}",
                allowance::unchanged(before)
            ));
        for (name, value) in allowance::values(before, after) {
            update = update.expression_attribute_values(name, value);
        }
        let answer = self.update(update).await;
        Ok(condition_met("charging a replay", answer)?.is_some())
    }

    /// Records which part of the job's log was replayed to the connection.
    pub async fn record_replay(
        &self,
        connection_id: &str,
        job_id: &JobId,
        sent: SentRange,
    ) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Connections>>,
    {
        let sent = serde_dynamo::to_attribute_value(sent)
            .map_err(|error| StoreError::call("recording a replay")(error.to_string()))?;
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: job_id.as_str(),
            })
            .update_expression("SET replayed = :sent")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":sent", sent);
        let answer = self.update(update).await;
        // A missing item is no error: the subscription has ended.
        condition_met("recording a replay", answer)?;
        Ok(())
    }

    /// Removes the pending reply, which was sent.
    pub async fn clear_pending_reply(&self, connection_id: &str) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Connections>>,
    {
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })
            .update_expression("REMOVE pending_reply")
            .condition_expression("attribute_exists(connection_id)");
        let answer = self.update(update).await;
        // A missing item is no error: the connection has ended.
        condition_met("removing the pending reply", answer)?;
        Ok(())
    }

    /// Renews the connection after a message of its client. Returns the connection as it was before; none
    /// when it has no item, or none any more.
    pub async fn touch(&self, connection_id: &str) -> Result<Option<Connection>, StoreError>
    where
        F: Granted<UpdateItem<Connections>>
            + Granted<UpdateItem<Subscribers>>
            + Granted<Query<Connections>>,
    {
        let now = self.clock.now();
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })
            .update_expression("SET last_activity = :now, expires_at = :expires_at")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":now", text(now))
            .expression_attribute_values(":expires_at", number(expiry(now)))
            .return_values(ReturnValue::AllOld);
        let answer = self.update(update).await;
        let Some(answer) = condition_met("renewing a connection", answer)? else {
            return Ok(None);
        };
        let before = Connection::from_dynamodb_item(answer.attributes.unwrap_or_default())?;
        let subscriptions_expire_at = before
            .subscriptions_expire_at
            .unwrap_or_else(|| before.created_at.plus_seconds(CONNECTION_TTL_SECONDS));
        if before.subscriptions > 0
            && is_half_expired(subscriptions_expire_at, now)
            && let Err(error) = self.renew_subscriptions(connection_id, now).await
        {
            // No reason to fail: the client's next message retries.
            tracing::warn!(%error, connection_id, "subscriptions could not be renewed");
        }
        Ok(Some(before))
    }

    async fn renew_subscriptions(
        &self,
        connection_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Connections>>
            + Granted<UpdateItem<Subscribers>>
            + Granted<Query<Connections>>,
    {
        for connection in self.items(connection_id).await? {
            if let Some(subscribed_to) = connection.subscribed_to() {
                self.renew_subscription(connection_id, subscribed_to)
                    .await?;
            }
        }
        // Last, so that after a failure the client's next message retries.
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })
            .update_expression("SET subscriptions_expire_at = :expires_at")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":expires_at", number(expiry(now)));
        let answer = self.update(update).await;
        condition_met("renewing a connection", answer)?;
        Ok(())
    }

    /// Renews the items of a connection after a successful post, if less than half of their life is left.
    /// Its other subscriptions are renewed too, because their jobs may send nothing for long. Returns the
    /// new expiry in epoch seconds, if they were renewed.
    pub async fn renew(&self, subscriber: &Subscriber) -> Result<Option<i64>, StoreError>
    where
        F: Granted<UpdateItem<Connections>>
            + Granted<UpdateItem<Subscribers>>
            + Granted<Query<Connections>>,
    {
        let expires_at = Timestamp::from_epoch_seconds(subscriber.expires_at);
        let now = self.clock.now();
        if !is_half_expired(expires_at, now) {
            return Ok(None);
        }
        self.renew_item(&subscriber.connection_id, CONNECTION_SENTINEL)
            .await?;
        self.renew_subscriptions(&subscriber.connection_id, now)
            .await?;
        Ok(Some(expiry(now)))
    }

    async fn renew_subscription(
        &self,
        connection_id: &str,
        subscribed_to: &str,
    ) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Connections>> + Granted<UpdateItem<Subscribers>>,
    {
        self.renew_item(connection_id, subscribed_to).await?;
        let update = self
            .database
            .update_item(&SubscriberKey {
                job_id: subscribed_to,
                connection_id,
            })
            .update_expression("SET expires_at = :expires_at")
            .condition_expression("attribute_exists(job_id)")
            .expression_attribute_values(":expires_at", number(expiry(self.clock.now())));
        let answer = self.update(update).await;
        // A missing item is no error: the connection has ended.
        condition_met("renewing a connection", answer)?;
        Ok(())
    }

    async fn renew_item(&self, connection_id: &str, job_id: &str) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Connections>>,
    {
        let now = self.clock.now();
        let update = self
            .database
            .update_item(&ConnectionKey {
                connection_id,
                job_id,
            })
            .update_expression("SET last_activity = :now, expires_at = :expires_at")
            .condition_expression("attribute_exists(connection_id)")
            .expression_attribute_values(":now", text(now))
            .expression_attribute_values(":expires_at", number(expiry(now)));
        let answer = self.update(update).await;
        // A missing item is no error: the connection has ended.
        condition_met("renewing a connection", answer)?;
        Ok(())
    }

    /// Deletes the items of a connection that has ended, and of its subscriptions. Idempotent. Its listeners are
    /// left to the function that stores them; until then, a wake-up that meets one of them deletes it.
    pub async fn forget(&self, connection_id: &str) -> Result<(), StoreError>
    where
        F: Granted<Query<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<Subscribers>>,
    {
        // The connection's item first: no subscription can be stored without it, so the items that are
        // read next are complete.
        self.delete(connection_id, CONNECTION_SENTINEL).await?;
        let items = self.items(connection_id).await?;
        try_join_all(items.iter().filter_map(Connection::subscribed_to).map(
            async |job_id| -> Result<(), StoreError> {
                let delete = self.database.delete_item(&SubscriberKey {
                    job_id,
                    connection_id,
                });
                RetryPolicy::TRANSACTION_CONFLICT
                    .run(|| delete.clone().send(), is_conflict)
                    .await
                    .map_err(StoreError::of("deleting a subscription"))?;
                // Last, so that after an interruption the next call finds the subscription.
                self.delete(connection_id, job_id).await
            },
        ))
        .await?;
        Ok(())
    }

    async fn delete(&self, connection_id: &str, job_id: &str) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<Connections>>,
    {
        let delete = self.database.delete_item(&ConnectionKey {
            connection_id,
            job_id,
        });
        RetryPolicy::TRANSACTION_CONFLICT
            .run(|| delete.clone().send(), is_conflict)
            .await
            .map_err(StoreError::of("deleting a connection"))?;
        Ok(())
    }

    /// Sends an update and retries conflicts with transactions, which are common while a client
    /// subscribes to many jobs at once.
    pub(super) async fn update(
        &self,
        update: UpdateItemFluentBuilder,
    ) -> Result<UpdateItemOutput, SdkError<UpdateItemError>> {
        RetryPolicy::TRANSACTION_CONFLICT
            .run(|| update.clone().send(), is_conflict)
            .await
    }

    /// Whether the connection is subscribed to the job.
    pub async fn is_subscribed(
        &self,
        connection_id: &str,
        job_id: &JobId,
    ) -> Result<bool, StoreError>
    where
        F: Granted<GetItem<Connections>>,
    {
        let subscription = self.subscription(connection_id, job_id).await?;
        Ok(subscription.is_some())
    }

    /// The connection's subscription to the job, by a consistent read.
    pub async fn subscription(
        &self,
        connection_id: &str,
        job_id: &JobId,
    ) -> Result<Option<Connection>, StoreError>
    where
        F: Granted<GetItem<Connections>>,
    {
        let answer = self
            .database
            .get_item(&ConnectionKey {
                connection_id,
                job_id: job_id.as_str(),
            })
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::of("reading a subscription"))?;
        let subscription = answer
            .item
            .map(Connection::from_dynamodb_item)
            .transpose()?;
        Ok(subscription.filter(|it| it.is_live(self.clock.now())))
    }

    /// The connection's own item and those of its subscriptions.
    pub(super) async fn items(&self, connection_id: &str) -> Result<Vec<Connection>, StoreError>
    where
        F: Granted<Query<Connections>>,
    {
        let query = self
            .database
            .query::<Connections>()
            .key_condition_expression("connection_id = :connection_id")
            .expression_attribute_values(":connection_id", text(connection_id));
        let items = all_items("reading the items of a connection", query).await?;
        items
            .into_iter()
            .filter(|item| !ConnectionListener::describes(item))
            .map(|item| Ok(Connection::from_dynamodb_item(item)?))
            .collect()
    }
}

pub(super) fn expiry(now: Timestamp) -> i64 {
    now.plus_seconds(CONNECTION_TTL_SECONDS).epoch_seconds()
}

pub(super) fn is_half_expired(expires_at: Timestamp, now: Timestamp) -> bool {
    expires_at.epoch_seconds() - now.epoch_seconds() < CONNECTION_TTL_SECONDS / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    #[test]
    fn correlation_id_of_a_connection_is_always_the_same() {
        let id = correlation_id("BFHPhfCWIAMCKlQ=", NOW);
        assert_eq!(id, correlation_id("BFHPhfCWIAMCKlQ=", NOW));
        assert_ne!(id, correlation_id("BFHPhfCWIAMCKlR=", NOW));
        assert!(id.as_str().starts_with("conn_1705314615_"));
    }

    #[test]
    fn items_are_renewed_once_less_than_half_of_their_life_is_left() {
        assert!(!is_half_expired(NOW.plus_seconds(1800), NOW));
        assert!(is_half_expired(NOW.plus_seconds(1799), NOW));
    }
}
