//! The tokens of subscriptions: their extension by a newer token, and the end of a subscription whose token has expired.

use granted_aws::{number, text};
use stagecast_contract::tables::{Connections, Jobs, SubscriberKey, Subscribers};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, Granted, Query, UpdateItem},
    tables::Record as _,
};

use super::{ConnectionStore, StoreError, error::condition_met, subscriptions};
use crate::models::{Connection, Subscriber, TokenAccess};

/// What a newer token did for the subscriptions of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenExtension {
    /// The subscriptions that do not expire before the token.
    pub extended: u32,
    /// The subscriptions by tokens of other owners.
    pub of_others: u32,
}

const EXTENDING: &str = "extending a subscription";

/// Replaces the token of a subscription if it is an earlier one of the same owner. A subscription that was ended or
/// opened by another credential in the meantime stays as it is.
const IS_EARLIER: &str =
    "token_access.#owner = :owner AND token_access.expires_at < :token_expires_at";

impl<F: Function> ConnectionStore<F> {
    /// Extends the subscriptions of the connection that an earlier token of the same owner has opened, and that
    /// `includes` accepts: one query, and two writes for each of them.
    ///
    /// Publishers need no notice: before they end a subscription, they read its item again.
    pub async fn extend_tokens<E: From<StoreError>>(
        &self,
        connection_id: &str,
        token: &TokenAccess,
        includes: impl AsyncFn(&Connection) -> Result<bool, E>,
    ) -> Result<TokenExtension, E>
    where
        F: Granted<Query<Connections>>
            + Granted<UpdateItem<Connections>>
            + Granted<UpdateItem<Subscribers>>,
    {
        let mut extension = TokenExtension::default();
        for subscription in self.items(connection_id).await? {
            let Some(current) = &subscription.token else {
                continue;
            };
            if current.owner != token.owner {
                extension.of_others += 1;
            } else if includes(&subscription).await?
                && (current.expires_at >= token.expires_at
                    || self.extend(&subscription, token).await?)
            {
                extension.extended += 1;
            }
        }
        Ok(extension)
    }

    /// False if the subscription has ended.
    async fn extend(
        &self,
        subscription: &Connection,
        token: &TokenAccess,
    ) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<Connections>> + Granted<UpdateItem<Subscribers>>,
    {
        let subscription = subscription.key();
        let subscriber = SubscriberKey {
            job_id: subscription.job_id,
            connection_id: subscription.connection_id,
        };
        // The item that publishers read is first, so that what the reply promises is true.
        for update in [
            self.database.update_item(&subscriber),
            self.database.update_item(&subscription),
        ] {
            let update = update
                .update_expression("SET token_access.expires_at = :token_expires_at")
                .condition_expression(IS_EARLIER)
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(&token.owner))
                .expression_attribute_values(":token_expires_at", number(token.expires_at));
            let answer = self.update(update).await;
            if condition_met(EXTENDING, answer)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends a subscription whose token has expired, unless it was extended or opened again since `subscriber` was
    /// read. False if it was, or if it has ended already.
    pub async fn end_expired(&self, subscriber: &Subscriber) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<Subscribers>>,
    {
        let Some(token) = &subscriber.token else {
            return Ok(false);
        };
        let (connection_id, key) = (&*subscriber.connection_id, subscriber.subscribed_to());
        let job = subscriber.feed.is_none().then_some(&subscriber.job_id);
        subscriptions::end(&self.database, connection_id, key, job, Some(token)).await
    }
}
