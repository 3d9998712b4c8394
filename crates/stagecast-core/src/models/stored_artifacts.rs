//! The artifacts of a job.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::JobId,
    limits::MAX_ARTIFACTS,
    messages::Artifact,
    tables::{JobEventKey, JobEvents},
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};

/// The item of `job_events` with the artifacts that a job has so far. It is written together with the job's
/// item, whose `artifacts_revision` is the revision of this item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredArtifacts {
    /// The job.
    pub job_id: JobId,
    /// [`Self::SEQ`].
    seq: u64,
    /// The number of writes of this item.
    pub revision: u64,
    /// The artifacts, in the order in which their names were first attached.
    artifacts: Vec<StoredArtifact>,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

/// An artifact, and the stage that has attached it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredArtifact {
    /// None for an artifact that an external worker has attached at the end of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(flatten)]
    artifact: Artifact,
}

/// The job would have more than [`MAX_ARTIFACTS`] artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job has at most {MAX_ARTIFACTS} artifacts; attach an archive of several files")]
pub struct TooManyArtifacts;

impl Record for StoredArtifacts {
    type Table = JobEvents;

    fn key(&self) -> JobEventKey<'_> {
        JobEventKey {
            job_id: self.job_id.as_str(),
            seq: self.seq,
        }
    }
}

impl StoredArtifacts {
    /// The `seq` of the item. No job has so many messages, so no reader of the log reads it.
    pub const SEQ: u64 = 1_000_000_000_001;

    /// No artifacts, of a job whose items expire at `expires_at`, in epoch seconds.
    pub fn none(job_id: JobId, expires_at: i64) -> Self {
        Self {
            job_id,
            seq: Self::SEQ,
            revision: 0,
            artifacts: Vec::new(),
            expires_at,
        }
    }

    /// All artifacts.
    pub fn all(&self) -> Vec<Artifact> {
        let all = self.artifacts.iter();
        all.map(|stored| stored.artifact.clone()).collect()
    }

    /// The artifacts that `stage` has attached.
    pub fn of_stage(&self, stage: &str) -> Vec<Artifact> {
        let all = self.artifacts.iter();
        all.filter(|stored| stored.stage.as_deref() == Some(stage))
            .map(|stored| stored.artifact.clone())
            .collect()
    }

    /// The artifact with this name.
    pub fn named(&self, name: &str) -> Option<&Artifact> {
        let mut all = self.artifacts.iter().map(|stored| &stored.artifact);
        all.find(|artifact| artifact.name == name)
    }

    /// These artifacts with those that `stage` attaches, or the end of the job. One of the same name is
    /// replaced. None if there is no difference.
    pub fn with(
        &self,
        stage: Option<&str>,
        attached: &[Artifact],
    ) -> Result<Option<Self>, TooManyArtifacts> {
        let mut changed = self.clone();
        for artifact in attached {
            let stored = StoredArtifact {
                stage: stage.map(str::to_owned),
                artifact: artifact.clone(),
            };
            let same = |it: &&mut StoredArtifact| it.artifact.name == artifact.name;
            match changed.artifacts.iter_mut().find(same) {
                Some(replaced) => *replaced = stored,
                None => changed.artifacts.push(stored),
            }
        }
        self.next(changed)
    }

    /// These artifacts after the commit of an event that lists `listed`. `stage` is the stage that has finished,
    /// or none at the end of the job. An artifact that the job has already is unchanged, so the event of a
    /// stage that attached its artifacts while it ran makes no difference. None if there is no difference.
    pub fn with_listed(
        &self,
        stage: Option<&str>,
        listed: &[Artifact],
    ) -> Result<Option<Self>, TooManyArtifacts> {
        let is_new = |artifact: &&Artifact| self.named(&artifact.name) != Some(*artifact);
        let new: Vec<_> = listed.iter().filter(is_new).cloned().collect();
        self.with(stage, &new)
    }

    fn next(&self, mut changed: Self) -> Result<Option<Self>, TooManyArtifacts> {
        if changed.artifacts.len() > MAX_ARTIFACTS {
            return Err(TooManyArtifacts);
        }
        if changed.artifacts == self.artifacts {
            return Ok(None);
        }
        changed.revision = self.revision + 1;
        Ok(Some(changed))
    }

    /// The artifacts as an item of `job_events`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<JobEvents>(self)
    }

    /// The artifacts that an item of `job_events` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<JobEvents, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, size: u64) -> Artifact {
        Artifact {
            name: name.to_owned(),
            content_type: "text/plain".to_owned(),
            size,
            sha256: "0a".repeat(32),
        }
    }

    fn none() -> StoredArtifacts {
        StoredArtifacts::none("job_1_a".parse().unwrap(), 7)
    }

    fn names(artifacts: &[Artifact]) -> Vec<&str> {
        artifacts.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn artifacts_are_read_as_they_were_written() {
        let stored = none().with(Some("a"), &[artifact("x", 3)]).unwrap();
        let stored = stored.unwrap();
        let item = stored.to_dynamodb_item().unwrap();
        assert_eq!(StoredArtifacts::from_dynamodb_item(item).unwrap(), stored);
        assert_eq!(stored.revision, 1);
    }

    #[test]
    fn same_name_replaces_and_moves_to_the_stage_that_attached_it_last() {
        let first = [artifact("x", 1), artifact("y", 1)];
        let stored = none().with(Some("a"), &first).unwrap().unwrap();
        let again = stored.with(Some("b"), &[artifact("x", 2)]);
        let again = again.unwrap().unwrap();
        assert_eq!(names(&again.all()), ["x", "y"]);
        assert_eq!(again.of_stage("a"), [artifact("y", 1)]);
        assert_eq!(again.of_stage("b"), [artifact("x", 2)]);
        assert_eq!(again.named("x"), Some(&artifact("x", 2)));
        assert_eq!(again.with(Some("b"), &[artifact("x", 2)]), Ok(None));
    }

    #[test]
    fn event_that_lists_known_artifacts_changes_nothing() {
        let attached = [artifact("x", 1), artifact("y", 1)];
        let stored = none().with(Some("a"), &attached).unwrap().unwrap();
        assert_eq!(stored.with_listed(Some("a"), &attached), Ok(None));
        assert_eq!(stored.with_listed(None, &stored.all()), Ok(None));
        let listed = [artifact("y", 2), artifact("x", 1), artifact("z", 1)];
        let changed = stored.with_listed(Some("b"), &listed).unwrap().unwrap();
        assert_eq!(changed.revision, 2);
        assert_eq!(names(&changed.all()), ["x", "y", "z"]);
        assert_eq!(changed.named("y"), Some(&artifact("y", 2)));
    }

    #[test]
    fn number_of_artifacts_is_limited() {
        let all: Vec<_> = (0..MAX_ARTIFACTS)
            .map(|number| artifact(&number.to_string(), 1))
            .collect();
        let full = none().with(Some("a"), &all).unwrap().unwrap();
        assert_eq!(full.with(None, &[artifact("x", 1)]), Err(TooManyArtifacts));
        assert!(full.with(None, &[artifact("7", 2)]).is_ok());
    }
}
