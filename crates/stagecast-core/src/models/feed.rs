//! The feed of an owner: its subscribers get the messages of all jobs of the owner.

use std::collections::BTreeMap;

use stagecast_contract::ids::JobId;

use super::{Job, OwnedJob};

/// The feed of an owner, as a token permits to watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    key: String,
    labels: BTreeMap<String, String>,
}

impl Feed {
    /// The jobs of `owner` that have all of `labels`.
    pub fn new(owner: &str, labels: BTreeMap<String, String>) -> Self {
        Self {
            key: OwnedJob::list_of(owner),
            labels,
        }
    }

    /// The key of the feed where a subscription has the id of its job. No job has this id.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The feed with this key; none if it is not the key of a feed.
    pub(super) fn of_key(key: &str, labels: BTreeMap<String, String>) -> Option<Self> {
        OwnedJob::is_list(key).then(|| Self {
            key: key.to_owned(),
            labels,
        })
    }

    /// The owner of the jobs.
    pub fn owner(&self) -> &str {
        OwnedJob::owner_of_list(&self.key)
    }

    /// Whether a token that is limited to `labels` gives access to all jobs of the feed.
    pub fn is_within(&self, labels: &BTreeMap<String, String>) -> bool {
        are_among(labels, &self.labels)
    }

    /// Whether the feed has a job with these labels.
    pub(super) fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        are_among(&self.labels, labels)
    }

    /// The labels that the jobs of the feed have.
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

fn are_among(labels: &BTreeMap<String, String>, others: &BTreeMap<String, String>) -> bool {
    let mut labels = labels.iter();
    labels.all(|(name, value)| others.get(name) == Some(value))
}

/// What of a job decides which subscribers of the feed of its owner get its messages. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedJob {
    key: String,
    pub(super) job_id: JobId,
    pub(super) labels: BTreeMap<String, String>,
}

impl FeedJob {
    /// None for a job without an owner.
    pub fn of(job: &Job) -> Option<Self> {
        Some(Self {
            key: OwnedJob::list_of(job.owner.as_ref()?),
            job_id: job.job_id.clone(),
            labels: job.labels.clone(),
        })
    }

    /// The [`Feed::key`] of the feed.
    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(team: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("team".to_owned(), team.to_owned())])
    }

    #[test]
    fn token_with_more_limits_does_not_include_the_feed() {
        let (all, blue) = (
            Feed::new("a", BTreeMap::new()),
            Feed::new("a", labels("blue")),
        );
        assert!(all.is_within(&BTreeMap::new()));
        assert!(blue.is_within(&BTreeMap::new()));
        assert!(blue.is_within(&labels("blue")));
        assert!(!blue.is_within(&labels("red")));
        assert!(!all.is_within(&labels("blue")));
    }
}
