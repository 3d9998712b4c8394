//! A subscriber: a connection that receives the messages of a job.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::{CorrelationId, JobId},
    tables::{SubscriberKey, Subscribers},
    timestamp::Timestamp,
};
use typed_contract::tables::Record;

use super::{Feed, InvalidItem, TokenAccess, item};

/// An item of `job_subscribers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// The job.
    pub job_id: JobId,
    /// API Gateway's id.
    pub connection_id: String,
    /// When the connection began.
    pub connected_at: Timestamp,
    /// When the subscription was stored.
    pub subscribed_at: Timestamp,
    /// The job's `seq` when the subscription was stored. The websocket function replays the log up to it;
    /// the publisher sends the messages after it.
    #[serde(default)]
    pub at_seq: u64,
    /// The id that all log records of the connection have.
    pub correlation_id: CorrelationId,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
    /// The owner token that has opened the subscription; none if an access key has.
    #[serde(
        default,
        rename = "token_access",
        skip_serializing_if = "Option::is_none"
    )]
    pub token: Option<TokenAccess>,
    /// The feed through which the connection gets the messages of the job, if it is not a subscriber of the job itself. Not
    /// an attribute: the key of the item says it.
    #[serde(skip)]
    pub feed: Option<Feed>,
}

impl Record for Subscriber {
    type Table = Subscribers;

    fn key(&self) -> SubscriberKey<'_> {
        SubscriberKey {
            job_id: self.subscribed_to(),
            connection_id: &self.connection_id,
        }
    }
}

impl Subscriber {
    /// Whether the item has not expired at `now`. DynamoDB deletes expired items up to days later.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.epoch_seconds() < self.expires_at
    }

    /// The key of the subscription: the id of the job, or the key of the feed.
    pub fn subscribed_to(&self) -> &str {
        let feed = self.feed.as_ref().map(Feed::key);
        feed.unwrap_or(self.job_id.as_str())
    }

    /// The token of the subscription, if it has expired at `now`.
    pub fn expired_token(&self, now: Timestamp) -> Option<&TokenAccess> {
        self.token.as_ref().filter(|token| token.has_expired(now))
    }

    /// The subscriber as an item of `job_subscribers`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<Subscribers>(self)
    }

    /// The subscriber that an item of `job_subscribers` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<Subscribers, _>(item)
    }
}
