//! A connection, and a connection's subscription to a job or to the feed of an owner. All are items of `websocket_connections`.

use std::collections::BTreeMap;

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::{CorrelationId, JobId},
    limits::CONNECTION_TTL_SECONDS,
    tables::{CONNECTION_SENTINEL, ConnectionKey, Connections},
    timestamp::Timestamp,
};
use typed_contract::tables::Record;

use super::{Feed, InvalidItem, ReplayAllowance, SentRange, TokenAccess, item};

/// The status of a connection. A connection that has ended has no item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// Messages can be posted to the client.
    #[default]
    Connected,
}

/// A `subscribed` reply that is posted later, because no post is possible before `$connect` returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReply {
    /// The job named in the connection's URL.
    pub job_id: JobId,
    /// The `after_seq` of the connection's URL: the `seq` to resume after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
}

/// An item of `websocket_connections`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// API Gateway's id.
    pub connection_id: String,
    /// The job of a subscription's item; none on the connection's item and on that of a feed.
    pub job_id: Option<JobId>,
    /// The feed of an owner; only on the item of a subscription to a feed.
    pub feed: Option<Feed>,
    /// When the connection, or the subscription, began.
    pub created_at: Timestamp,
    /// When the client last sent a message or accepted one.
    pub last_activity: Timestamp,
    /// The status of the connection.
    pub status: ConnectionStatus,
    /// The id that all log records of the connection have.
    pub correlation_id: CorrelationId,
    /// When DynamoDB may delete the item.
    pub expires_at: Timestamp,
    /// The number of subscriptions; only on the connection's item.
    pub subscriptions: u32,
    /// When the first of the subscriptions expires; none until they are renewed for the first time, when
    /// it is an hour after `created_at` at the earliest. Only on the connection's item, which expires
    /// later, because every message of the client renews it.
    pub subscriptions_expire_at: Option<Timestamp>,
    /// The number of queues that the connection listens to; only on the connection's item.
    pub listeners: u32,
    /// When the first of the listeners expires; as `subscriptions_expire_at`.
    pub listeners_expire_at: Option<Timestamp>,
    /// A reply that the client's first message triggers; only on the connection's item.
    pub pending_reply: Option<PendingReply>,
    /// How many messages replays may still send to the connection; only on the connection's item.
    pub replay_allowance: ReplayAllowance,
    /// The part of the job's log that was replayed to the connection; only on a subscription's item.
    pub replayed: Option<SentRange>,
    /// The owner token that has opened the subscription; none if an access key has. Only on a subscription's item.
    pub token: Option<TokenAccess>,
}

/// A connection whose attributes are not valid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidConnection {
    /// The id is empty or longer than API Gateway's ids.
    #[error("'{0}' is not a connection id: it needs 1 to 128 characters")]
    Id(String),
    /// The last activity is before the start.
    #[error(
        "the last activity {last_activity} is before the start of the connection, {created_at}"
    )]
    ActivityBeforeStart {
        /// When the connection began.
        created_at: Timestamp,
        /// When the client last sent a message or accepted one.
        last_activity: Timestamp,
    },
    /// The item expires before it is written.
    #[error("the connection expires at {expires_at}, before its last activity {last_activity}")]
    ExpiresBeforeActivity {
        /// When the item may be deleted.
        expires_at: Timestamp,
        /// When the client last sent a message or accepted one.
        last_activity: Timestamp,
    },
}

/// The attributes as they are stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    connection_id: String,
    job_id: String,
    created_at: Timestamp,
    last_activity: Timestamp,
    status: ConnectionStatus,
    correlation_id: CorrelationId,
    expires_at: i64,
    #[serde(default)]
    subscriptions: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subscriptions_expire_at: Option<i64>,
    #[serde(default)]
    listeners: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listeners_expire_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_reply: Option<PendingReply>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay_full_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replayed: Option<SentRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_access: Option<TokenAccess>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl Record for Connection {
    type Table = Connections;

    fn key(&self) -> ConnectionKey<'_> {
        ConnectionKey {
            connection_id: &self.connection_id,
            job_id: self.subscribed_to().unwrap_or(CONNECTION_SENTINEL),
        }
    }
}

impl Connection {
    /// The item of a connection that starts now, or of its subscription to `job_id`.
    pub fn starting(
        connection_id: impl Into<String>,
        job_id: Option<JobId>,
        correlation_id: CorrelationId,
        now: Timestamp,
    ) -> Self {
        Self {
            connection_id: connection_id.into(),
            job_id,
            feed: None,
            created_at: now,
            last_activity: now,
            status: ConnectionStatus::Connected,
            correlation_id,
            expires_at: now.plus_seconds(CONNECTION_TTL_SECONDS),
            subscriptions: 0,
            subscriptions_expire_at: None,
            listeners: 0,
            listeners_expire_at: None,
            pending_reply: None,
            replay_allowance: ReplayAllowance::default(),
            replayed: None,
            token: None,
        }
    }

    /// The item of a connection's subscription to `feed`, which starts now.
    pub fn of_feed(
        connection_id: impl Into<String>,
        feed: Feed,
        correlation_id: CorrelationId,
        now: Timestamp,
    ) -> Self {
        Self {
            feed: Some(feed),
            ..Self::starting(connection_id, None, correlation_id, now)
        }
    }

    /// The key of the subscription in `job_subscribers`: the id of the job, or the key of the feed. None on the
    /// connection's item.
    pub fn subscribed_to(&self) -> Option<&str> {
        let feed = self.feed.as_ref().map(Feed::key);
        feed.or(self.job_id.as_ref().map(JobId::as_str))
    }

    /// Whether the item has not expired at `now`. DynamoDB deletes expired items up to days later.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    fn validate(&self) -> Result<(), InvalidConnection> {
        if self.connection_id.is_empty() || self.connection_id.len() > 128 {
            return Err(InvalidConnection::Id(self.connection_id.clone()));
        }
        if self.last_activity < self.created_at {
            return Err(InvalidConnection::ActivityBeforeStart {
                created_at: self.created_at,
                last_activity: self.last_activity,
            });
        }
        if self.expires_at < self.last_activity {
            return Err(InvalidConnection::ExpiresBeforeActivity {
                expires_at: self.expires_at,
                last_activity: self.last_activity,
            });
        }
        Ok(())
    }

    /// The connection as an item of `websocket_connections`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        self.validate().map_err(InvalidItem::of::<Connections>)?;
        item::write::<Connections>(&Stored {
            connection_id: self.connection_id.clone(),
            job_id: self.key().job_id.to_owned(),
            created_at: self.created_at,
            last_activity: self.last_activity,
            status: self.status,
            correlation_id: self.correlation_id.clone(),
            expires_at: self.expires_at.epoch_seconds(),
            subscriptions: self.subscriptions,
            subscriptions_expire_at: self.subscriptions_expire_at.map(Timestamp::epoch_seconds),
            listeners: self.listeners,
            listeners_expire_at: self.listeners_expire_at.map(Timestamp::epoch_seconds),
            pending_reply: self.pending_reply.clone(),
            replay_full_at: self.replay_allowance.full_at_millis(),
            replayed: self.replayed,
            token_access: self.token.clone(),
            labels: self
                .feed
                .as_ref()
                .map(|feed| feed.labels().clone())
                .unwrap_or_default(),
        })
    }

    /// The connection that an item of `websocket_connections` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        let stored: Stored = item::read::<Connections, _>(item)?;
        let feed = Feed::of_key(&stored.job_id, stored.labels);
        let job_id = if feed.is_some() || stored.job_id == CONNECTION_SENTINEL {
            None
        } else {
            Some(
                stored
                    .job_id
                    .parse()
                    .map_err(InvalidItem::of::<Connections>)?,
            )
        };
        let connection = Self {
            connection_id: stored.connection_id,
            job_id,
            feed,
            created_at: stored.created_at,
            last_activity: stored.last_activity,
            status: stored.status,
            correlation_id: stored.correlation_id,
            expires_at: Timestamp::from_epoch_seconds(stored.expires_at),
            subscriptions: stored.subscriptions,
            subscriptions_expire_at: stored
                .subscriptions_expire_at
                .map(Timestamp::from_epoch_seconds),
            listeners: stored.listeners,
            listeners_expire_at: stored
                .listeners_expire_at
                .map(Timestamp::from_epoch_seconds),
            pending_reply: stored.pending_reply,
            replay_allowance: ReplayAllowance::stored(stored.replay_full_at),
            replayed: stored.replayed,
            token: stored.token_access,
        };
        connection
            .validate()
            .map_err(InvalidItem::of::<Connections>)?;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use granted_aws::{number, text};

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn connection(job_id: Option<&str>) -> Connection {
        Connection::starting(
            "BFHPhfCWIAMCKlQ=",
            job_id.map(|id| id.parse().unwrap()),
            CorrelationId::new(NOW, [1; 8]),
            NOW,
        )
    }

    #[test]
    fn connection_is_read_as_it_was_written() {
        let mut connected = connection(None);
        connected.pending_reply = Some(PendingReply {
            job_id: "job_1_a".parse().unwrap(),
            after_seq: Some(3),
        });
        connected.subscriptions = 2;
        connected.listeners = 3;
        connected.listeners_expire_at = Some(NOW.plus_seconds(900));
        connected.replay_allowance = connected
            .replay_allowance
            .take(7, 1200, 1_705_314_615_000)
            .unwrap();
        connected.subscriptions_expire_at = Some(NOW.plus_seconds(1800));
        let mut subscribed = connection(Some("job_20240115_abc123"));
        subscribed.replayed = Some(SentRange {
            after: 2,
            through: 5,
        });
        subscribed.token = Some(TokenAccess {
            owner: "user-7".to_owned(),
            expires_at: 1_705_314_900,
        });
        let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
        let feed = Feed::new("user-7", labels);
        let watching = Connection::of_feed("c1", feed, CorrelationId::new(NOW, [1; 8]), NOW);
        assert_eq!(watching.subscribed_to(), Some("#owner#user-7"));
        for connection in [connected, subscribed, watching] {
            let item = connection.to_dynamodb_item().unwrap();
            assert_eq!(Connection::from_dynamodb_item(item).unwrap(), connection);
        }
    }

    #[test]
    fn item_has_its_documented_attributes_and_expires_after_an_hour() {
        let item = connection(Some("job_20240115_abc123"))
            .to_dynamodb_item()
            .unwrap();
        assert_eq!(item["connection_id"], text("BFHPhfCWIAMCKlQ="));
        assert_eq!(item["job_id"], text("job_20240115_abc123"));
        assert_eq!(item["created_at"], text("2024-01-15T10:30:15Z"));
        assert_eq!(item["last_activity"], text("2024-01-15T10:30:15Z"));
        assert_eq!(item["status"], text("connected"));
        assert_eq!(
            item["correlation_id"],
            text("conn_1705314615_0101010101010101")
        );
        assert_eq!(item["expires_at"], number(1_705_314_615 + 3600));
    }

    #[test]
    fn invalid_connection_is_neither_written_nor_read() {
        let mut broken = connection(None);
        broken.last_activity = NOW.plus_seconds(-1);
        assert!(
            broken
                .to_dynamodb_item()
                .unwrap_err()
                .to_string()
                .contains("is before")
        );

        let mut item = connection(None).to_dynamodb_item().unwrap();
        item.insert("connection_id".to_owned(), text(""));
        assert!(Connection::from_dynamodb_item(item).is_err());

        let mut item = connection(None).to_dynamodb_item().unwrap();
        item.insert("job_id".to_owned(), text("no job"));
        let error = Connection::from_dynamodb_item(item)
            .unwrap_err()
            .to_string();
        assert!(error.contains("'no job'"), "{error}");

        let mut item = connection(None).to_dynamodb_item().unwrap();
        item.remove("created_at");
        let error = Connection::from_dynamodb_item(item)
            .unwrap_err()
            .to_string();
        assert!(error.contains("created_at"), "{error}");
    }

    #[test]
    fn expired_item_is_not_live_before_dynamodb_deletes_it() {
        let connection = connection(None);
        assert!(connection.is_live(NOW.plus_seconds(3599)));
        assert!(!connection.is_live(NOW.plus_seconds(3600)));
    }
}
