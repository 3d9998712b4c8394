//! The creation of a job under an idempotency key.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stagecast_contract::{
    ids::{AccessKey, JobId, WorkerKey},
    limits::IDEMPOTENCY_SECONDS,
    tables::{JobKey, Jobs},
    timestamp::Timestamp,
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};
use crate::hash::{hex, sha256_hex};

/// What precedes the hash of an idempotency key in the key of its item. No job id begins with it.
const PREFIX: &str = "idempotency_";

/// An item of `jobs` that records which job an idempotency key has created.
///
/// The keys of the job are not stored. They follow from the idempotency key and a stored salt, so that a
/// repeated request gets the same ones, and a reader of the table gets none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// The key of the item: `idempotency_` and the SHA-256 of the idempotency key.
    #[serde(rename = "job_id")]
    id: String,
    /// The created job.
    pub created_job_id: JobId,
    /// The SHA-256 of the request.
    pub request_sha256: String,
    /// Random hexadecimal digits.
    salt: String,
    /// When the idempotency key may create another job, in epoch seconds.
    pub expires_at: i64,
}

impl Record for Creation {
    type Table = Jobs;

    fn key(&self) -> JobKey<'_> {
        JobKey { job_id: &self.id }
    }
}

impl Creation {
    /// The creation of `job_id` by a request with this hash.
    pub fn new(
        idempotency_key: &str,
        request_sha256: String,
        job_id: JobId,
        salt: [u8; 16],
        now: Timestamp,
    ) -> Self {
        Self {
            id: Self::item_id(idempotency_key),
            created_job_id: job_id,
            request_sha256,
            salt: hex(&salt),
            expires_at: now.plus_seconds(IDEMPOTENCY_SECONDS).epoch_seconds(),
        }
    }

    /// The key of the item of an idempotency key.
    pub(crate) fn item_id(idempotency_key: &str) -> String {
        format!("{PREFIX}{}", sha256_hex(idempotency_key))
    }

    /// Whether the idempotency key still stands for this job. DynamoDB deletes expired items up to days later.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.epoch_seconds() < self.expires_at
    }

    /// The access key of the job.
    pub fn access_key(&self, idempotency_key: &str) -> AccessKey {
        AccessKey::new(self.derive("access", idempotency_key))
    }

    /// The worker key of the job, for an external worker.
    pub fn worker_key(&self, idempotency_key: &str) -> WorkerKey {
        WorkerKey::new(self.derive("worker", idempotency_key))
    }

    /// The first half of a SHA-256. The salt and the purpose have fixed lengths, so no two inputs are equal.
    fn derive(&self, purpose: &'static str, idempotency_key: &str) -> [u8; 16] {
        let digest = Sha256::new()
            .chain_update(&self.salt)
            .chain_update(purpose)
            .chain_update(idempotency_key)
            .finalize();
        std::array::from_fn(|index| digest[index])
    }

    /// The creation as an item of `jobs`.
    pub(crate) fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<Jobs>(self)
    }

    /// The creation that an item of `jobs` describes.
    pub(crate) fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<Jobs, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn creation(salt: u8) -> Creation {
        let job_id = JobId::new(NOW, [1; 8]);
        Creation::new(
            "key-of-a-client",
            "hash".to_owned(),
            job_id,
            [salt; 16],
            NOW,
        )
    }

    #[test]
    fn keys_follow_from_salt_purpose_and_idempotency_key() {
        let access = creation(1).access_key("key-of-a-client");
        assert_eq!(
            access.reveal(),
            creation(1).access_key("key-of-a-client").reveal()
        );
        assert_ne!(
            access.reveal(),
            creation(2).access_key("key-of-a-client").reveal()
        );
        assert_ne!(
            access.reveal(),
            creation(1).access_key("another key").reveal()
        );
        assert_ne!(
            access.reveal(),
            creation(1).worker_key("key-of-a-client").reveal()
        );
    }

    #[test]
    fn item_contains_no_key() {
        let item = format!("{:?}", creation(1).to_dynamodb_item().expect("an item"));
        assert!(!item.contains("key-of-a-client"), "{item}");
        let access = creation(1).access_key("key-of-a-client");
        assert!(!item.contains(access.reveal()), "{item}");
    }

    #[test]
    fn idempotency_key_stands_for_the_job_for_a_day() {
        assert!(creation(1).is_live(NOW.plus_seconds(24 * 60 * 60 - 1)));
        assert!(!creation(1).is_live(NOW.plus_seconds(24 * 60 * 60)));
    }
}
