//! The keys of a job, of which it stores hashes.

use stagecast_contract::ids::{AccessKey, WorkerKey};
use subtle::ConstantTimeEq;

use super::Job;
use crate::hash::sha256_hex;

/// Digits of [`Job::former_key`](field@Job::former_key).
pub(super) const FORMER_KEY_DIGITS: usize = 8;

fn has_hash(hash: &str, key: &str) -> bool {
    sha256_hex(key).as_bytes().ct_eq(hash.as_bytes()).into()
}

impl Job {
    /// Whether `key` is the job's access key. Takes the same time for every key.
    pub fn verify_access_key(&self, key: &AccessKey) -> bool {
        has_hash(&self.access_key_sha256, key.reveal())
    }

    /// Whether `key` is the job's worker key. Takes the same time for every key.
    pub fn verify_worker_key(&self, key: &WorkerKey) -> bool {
        let hash = self.worker_key_sha256.as_deref();
        hash.is_some_and(|hash| has_hash(hash, key.reveal()))
    }

    /// [`Self::former_key`](field@Job::former_key) after a claim that writes another key; none if the job has no key.
    pub(crate) fn former_key_after_claim(&self) -> Option<&str> {
        self.worker_key_sha256.as_deref()?.get(..FORMER_KEY_DIGITS)
    }

    /// Whether `key` is the worker key of the claim before the latest one.
    pub fn is_former_key(&self, key: &WorkerKey) -> bool {
        let hash = sha256_hex(key.reveal());
        let beginning = self.former_key.as_deref();
        beginning.is_some_and(|it| {
            it.as_bytes()
                .ct_eq(&hash.as_bytes()[..FORMER_KEY_DIGITS])
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::job, *};

    #[test]
    fn former_key_is_recognized_by_its_beginning() {
        let (old, new) = (WorkerKey::new([4; 16]), WorkerKey::new([5; 16]));
        let mut job = job(&AccessKey::new([3; 16])).for_external_worker(&old);
        job.former_key = job.former_key_after_claim().map(str::to_owned);
        job = job.for_external_worker(&new);
        assert!(job.is_former_key(&old) && !job.is_former_key(&new));
        assert!(job.verify_worker_key(&new) && !job.verify_worker_key(&old));
        assert_eq!(job.former_key.map(|it| it.len()), Some(FORMER_KEY_DIGITS));
    }

    #[test]
    fn only_the_access_key_is_accepted_and_it_is_not_stored() {
        let key = AccessKey::new([3; 16]);
        let job = job(&key);
        assert!(job.verify_access_key(&key));
        assert!(!job.verify_access_key(&AccessKey::new([4; 16])));
        assert!(!format!("{:?}", job.to_dynamodb_item().unwrap()).contains(key.reveal()));
    }

    #[test]
    fn worker_key_and_access_key_do_not_replace_each_other() {
        let (access, worker) = (AccessKey::new([3; 16]), WorkerKey::new([4; 16]));
        assert!(!job(&access).verify_worker_key(&worker));
        let job = job(&access).for_external_worker(&worker);
        assert!(job.verify_worker_key(&worker));
        assert!(!job.verify_worker_key(&WorkerKey::from_client(access.reveal())));
        assert!(!job.verify_access_key(&AccessKey::from_client(worker.reveal())));
        let item = format!("{:?}", job.to_dynamodb_item().unwrap());
        assert!(!item.contains(worker.reveal()));
    }

    #[test]
    fn hash_of_a_key_is_its_sha_256() {
        assert_eq!(
            sha256_hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
