//! A connection that is subscribed to the feed of an owner.

use std::collections::BTreeMap;

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::CorrelationId,
    tables::{SubscriberKey, Subscribers},
    timestamp::Timestamp,
};
use typed_contract::tables::Record;

use super::{Connection, Feed, FeedJob, InvalidItem, Subscriber, TokenAccess, item};

/// An item of `job_subscribers`: a connection that receives the messages of all jobs of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedSubscriber {
    #[serde(rename = "job_id")]
    key: String,
    /// API Gateway's id.
    pub connection_id: String,
    /// When the connection began.
    pub connected_at: Timestamp,
    /// When the subscription was stored.
    pub subscribed_at: Timestamp,
    /// The id that all log records of the connection have.
    pub correlation_id: CorrelationId,
    /// The labels to which the token of the subscription is limited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
    /// The token of the subscription; none in items of a version in which subscriptions to feeds did not expire.
    #[serde(
        default,
        rename = "token_access",
        skip_serializing_if = "Option::is_none"
    )]
    pub token: Option<TokenAccess>,
}

impl Record for FeedSubscriber {
    type Table = Subscribers;

    fn key(&self) -> SubscriberKey<'_> {
        SubscriberKey {
            job_id: &self.key,
            connection_id: &self.connection_id,
        }
    }
}

impl FeedSubscriber {
    /// The item of a subscription that is stored at `now`; none if the subscription is not to a feed.
    pub fn of(subscription: &Connection, now: Timestamp) -> Option<Self> {
        let feed = subscription.feed.as_ref()?;
        Some(Self {
            key: feed.key().to_owned(),
            connection_id: subscription.connection_id.clone(),
            connected_at: subscription.created_at,
            subscribed_at: now,
            correlation_id: subscription.correlation_id.clone(),
            labels: feed.labels().clone(),
            expires_at: subscription.expires_at.epoch_seconds(),
            token: subscription.token.clone(),
        })
    }

    /// The connection as a subscriber of a job of the feed; none if the job does not have the labels. It has read
    /// nothing of the job's log, so every durable message is sent to it.
    pub fn of_job(self, job: &FeedJob) -> Option<Subscriber> {
        let feed = Feed::of_key(&self.key, self.labels)?;
        feed.has(&job.labels).then(|| Subscriber {
            job_id: job.job_id.clone(),
            connection_id: self.connection_id,
            connected_at: self.connected_at,
            subscribed_at: self.subscribed_at,
            at_seq: 0,
            correlation_id: self.correlation_id,
            expires_at: self.expires_at,
            token: self.token,
            feed: Some(feed),
        })
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

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::{AccessKey, JobId, RequestId};

    use crate::models::Job;

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn labels(team: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("team".to_owned(), team.to_owned())])
    }

    fn subscriber(labels: BTreeMap<String, String>) -> FeedSubscriber {
        let feed = Feed::new("user-7", labels);
        let mut subscription =
            Connection::of_feed("c1", feed, CorrelationId::new(NOW, [7; 8]), NOW);
        subscription.token = Some(TokenAccess {
            owner: "user-7".to_owned(),
            expires_at: NOW.plus_seconds(300).epoch_seconds(),
        });
        FeedSubscriber::of(&subscription, NOW).expect("a subscription to a feed")
    }

    fn job() -> Job {
        let mut job = Job::queued(
            JobId::new(NOW, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        );
        job.owner = Some("user-7".to_owned());
        job.labels = labels("blue");
        job
    }

    #[test]
    fn subscriber_is_read_as_it_was_written_and_has_no_job_id() {
        let subscriber = subscriber(labels("blue"));
        let item = subscriber.to_dynamodb_item().expect("an item");
        let key = item["job_id"].as_s().expect("a string");
        assert_eq!(key, "#owner#user-7");
        assert!(key.parse::<JobId>().is_err());
        assert_eq!(
            FeedSubscriber::from_dynamodb_item(item).expect("valid"),
            subscriber
        );
    }

    #[test]
    fn subscriber_of_a_job_has_the_key_and_the_token_of_its_feed() {
        let job = FeedJob::of(&job()).expect("it has an owner");
        let subscriber = subscriber(BTreeMap::new()).of_job(&job).expect("included");
        assert_eq!(subscriber.key().job_id, "#owner#user-7");
        assert_eq!(subscriber.feed.as_ref().map(Feed::owner), Some("user-7"));
        assert!(subscriber.expired_token(NOW.plus_seconds(329)).is_none());
        assert!(subscriber.expired_token(NOW.plus_seconds(330)).is_some());
    }

    #[test]
    fn subscriber_gets_the_jobs_with_its_labels() {
        let job = FeedJob::of(&job()).expect("it has an owner");
        assert!(subscriber(BTreeMap::new()).of_job(&job).is_some());
        assert!(subscriber(labels("blue")).of_job(&job).is_some());
        assert!(subscriber(labels("red")).of_job(&job).is_none());
    }
}
