//! The records of worker tokens. Functions verify tokens by them, and operators make, list and revoke them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use typed_contract::tables::Record;

use crate::{
    ids::{WorkerToken, hex},
    tables::{WorkQueueKey, WorkQueues},
    timestamp::Timestamp,
    worker_queues::QueueName,
};

/// The partition of the tokens of all workers. It is not a valid name of a queue.
pub const PARTITION: &str = "#worker_tokens";

/// The `expires_at` of a token that does not expire: the year 9999.
const NEVER: i64 = 253_402_300_799;

/// The queues from which a token can claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenQueues {
    /// All queues of the product.
    All,
    /// These queues.
    Only(Vec<QueueName>),
}

/// An item of `work_queues`: a token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerTokenRecord {
    queue: String,
    #[serde(rename = "entry")]
    id: String,
    /// What the operator calls the token.
    pub name: String,
    sha256: String,
    /// The queues from which the token can claim.
    pub queues: TokenQueues,
    /// When the token was made.
    pub created_at: Timestamp,
    /// When the token stops to be valid, and DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for WorkerTokenRecord {
    type Table = WorkQueues;

    fn key(&self) -> WorkQueueKey<'_> {
        Self::key_of(&self.id)
    }
}

impl WorkerTokenRecord {
    /// The record of a token. None for a token that is malformed. Without `expires_at`, it does not expire.
    pub fn new(
        token: &WorkerToken,
        name: String,
        queues: TokenQueues,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Option<Self> {
        Some(Self {
            queue: PARTITION.to_owned(),
            id: token.id()?.to_owned(),
            name,
            sha256: sha256_hex(token.reveal()),
            queues,
            created_at: now,
            expires_at: expires_at.map_or(NEVER, Timestamp::epoch_seconds),
        })
    }

    /// The key of the token with this id.
    pub fn key_of(id: &str) -> WorkQueueKey<'_> {
        WorkQueueKey {
            queue: PARTITION,
            entry: id,
        }
    }

    /// The part of the token that identifies it and is not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When the token expires; none if it does not.
    pub fn expiry(&self) -> Option<Timestamp> {
        (self.expires_at != NEVER).then(|| Timestamp::from_epoch_seconds(self.expires_at))
    }

    /// Whether `token` is this one and has not expired at `now`. Takes the same time for every token.
    pub fn verify(&self, token: &WorkerToken, now: Timestamp) -> bool {
        let hash = sha256_hex(token.reveal());
        let is_equal: bool = hash.as_bytes().ct_eq(self.sha256.as_bytes()).into();
        is_equal && now.epoch_seconds() < self.expires_at
    }

    /// Whether the token can claim from the queue.
    pub fn allows(&self, queue: &QueueName) -> bool {
        match &self.queues {
            TokenQueues::All => true,
            TokenQueues::Only(queues) => queues.contains(queue),
        }
    }
}

fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn queue(name: &str) -> QueueName {
        name.parse().expect("a name")
    }

    fn record(token: &WorkerToken, expires_at: Option<Timestamp>) -> WorkerTokenRecord {
        let queues = TokenQueues::Only(vec![queue("plans")]);
        WorkerTokenRecord::new(token, "gpu".to_owned(), queues, NOW, expires_at).expect("valid")
    }

    #[test]
    fn only_the_token_itself_is_verified_until_it_expires() {
        let token = WorkerToken::new([1; 8], [2; 16]);
        let forever = record(&token, None);
        assert!(forever.verify(&token, NOW.plus_seconds(1_000_000_000)));
        assert!(!forever.verify(&WorkerToken::new([1; 8], [3; 16]), NOW));
        assert_eq!(forever.expiry(), None);
        let short = record(&token, Some(NOW.plus_seconds(60)));
        assert!(short.verify(&token, NOW.plus_seconds(59)));
        assert!(!short.verify(&token, NOW.plus_seconds(60)));
    }

    #[test]
    fn token_is_limited_to_its_queues() {
        let mut record = record(&WorkerToken::new([1; 8], [2; 16]), None);
        assert!(record.allows(&queue("plans")));
        assert!(!record.allows(&queue("gpu")));
        record.queues = TokenQueues::All;
        assert!(record.allows(&queue("gpu")));
    }

    #[test]
    fn item_does_not_contain_the_secret() {
        let token = WorkerToken::new([1; 8], [2; 16]);
        let record = record(&token, None);
        let item = serde_json::to_string(&record).expect("an item");
        assert!(!item.contains(&"02".repeat(16)), "{item}");
        let read: WorkerTokenRecord = serde_json::from_str(&item).expect("valid");
        assert_eq!(read, record);
    }
}
