//! The last checkpoint of a job's running stage.

use std::time::Duration;

use granted_aws::Item;
use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use stage_pipeline::{Estimate, StageCheckpoint};
use stagecast_contract::{
    ids::JobId,
    tables::{JobEventKey, JobEvents},
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};

/// The place of a checkpoint among those of its job. A later one has a higher epoch; in one claim, a higher
/// `after_seq`; after one durable message, a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointPosition {
    /// The epoch of the claim.
    pub epoch: u64,
    /// The `seq` of the last durable message before the checkpoint.
    pub after_seq: u64,
    /// The number of the checkpoint, which its worker counts. None if it does not: then the latest write wins.
    pub number: Option<u64>,
}

/// The item of `job_events` with the last checkpoint of a job's running stage. Each later checkpoint overwrites
/// it. A claim of an external worker writes it under its own epoch, without a state if there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredCheckpoint {
    /// The job.
    pub job_id: JobId,
    /// [`Self::SEQ`].
    seq: u64,
    /// The epoch of the claim under which it was written.
    pub epoch: u64,
    /// The `seq` of the last durable message before it. None when it was written by another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// The number of the checkpoint; see [`CheckpointPosition::number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_number: Option<u64>,
    /// The stage; empty if there is no state.
    pub stage: String,
    /// The state as JSON; None if it is in the bucket, or if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The key of the object with the state, if it is in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Percent of the stage.
    pub percent: u8,
    /// What the stage was doing.
    pub message: String,
    /// The time that the stage has run, in milliseconds.
    pub stage_millis: u64,
    /// The time that the job has run, in milliseconds.
    pub job_millis: u64,
    /// The estimate of the remaining time. Left out when it was written by another version.
    #[serde(default)]
    pub estimate: Estimate,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for StoredCheckpoint {
    type Table = JobEvents;

    fn key(&self) -> JobEventKey<'_> {
        JobEventKey {
            job_id: self.job_id.as_str(),
            seq: self.seq,
        }
    }
}

impl StoredCheckpoint {
    /// The `seq` of the item. No job has so many messages, so no reader of the log reads it.
    pub const SEQ: u64 = 1_000_000_000_000;

    /// The item of a checkpoint whose state is in the bucket under the key `object`, or in the item.
    pub fn new(
        job_id: JobId,
        position: CheckpointPosition,
        checkpoint: &StageCheckpoint,
        object: Option<String>,
        expires_at: i64,
    ) -> Self {
        Self {
            job_id,
            seq: Self::SEQ,
            epoch: position.epoch,
            after_seq: Some(position.after_seq),
            checkpoint_number: position.number,
            stage: checkpoint.stage.clone(),
            state: object.is_none().then(|| checkpoint.state.get().to_owned()),
            object,
            percent: checkpoint.percent,
            message: checkpoint.message.clone(),
            stage_millis: millis(checkpoint.stage_elapsed),
            job_millis: millis(checkpoint.job_elapsed),
            estimate: checkpoint.estimate.clone(),
            expires_at,
        }
    }

    /// The item of a job of which no state is to be continued.
    pub fn without_state(job_id: JobId, position: CheckpointPosition, expires_at: i64) -> Self {
        Self {
            job_id,
            seq: Self::SEQ,
            epoch: position.epoch,
            after_seq: Some(position.after_seq),
            checkpoint_number: position.number,
            stage: String::new(),
            state: None,
            object: None,
            percent: 0,
            message: String::new(),
            stage_millis: 0,
            job_millis: 0,
            estimate: Estimate::default(),
            expires_at,
        }
    }

    /// Whether there is a state to continue from.
    pub fn has_state(&self) -> bool {
        self.state.is_some() || self.object.is_some()
    }

    /// The same state at another position.
    #[must_use]
    pub fn at(self, position: CheckpointPosition) -> Self {
        Self {
            epoch: position.epoch,
            after_seq: Some(position.after_seq),
            checkpoint_number: position.number,
            ..self
        }
    }

    /// The checkpoint with this state, which was in the item or in the bucket.
    pub fn with_state(self, state: RawJson) -> StageCheckpoint {
        StageCheckpoint {
            stage: self.stage,
            state,
            percent: self.percent,
            message: self.message,
            stage_elapsed: Duration::from_millis(self.stage_millis),
            job_elapsed: Duration::from_millis(self.job_millis),
            estimate: self.estimate,
        }
    }

    /// The checkpoint as an item of `job_events`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<JobEvents>(self)
    }

    /// The checkpoint that an item of `job_events` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<JobEvents, _>(item)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoint_is_read_as_it_was_written() {
        let checkpoint = StageCheckpoint {
            stage: "transcode".to_owned(),
            state: RawJson::from_text(r#"{"next":1e400}"#.to_owned()).unwrap(),
            percent: 20,
            message: "Transcoding...".to_owned(),
            stage_elapsed: Duration::from_millis(1500),
            job_elapsed: Duration::from_millis(2500),
            estimate: Estimate::default(),
        };
        let job_id: JobId = "job_1_a".parse().unwrap();
        let position = CheckpointPosition {
            epoch: 3,
            after_seq: 1,
            number: Some(2),
        };
        let stored = StoredCheckpoint::new(job_id, position, &checkpoint, None, 7);
        assert!(stored.has_state());
        let item = stored.to_dynamodb_item().unwrap();
        let read = StoredCheckpoint::from_dynamodb_item(item).unwrap();
        assert_eq!(read, stored);
        let state = RawJson::from_text(read.state.clone().unwrap()).unwrap();
        assert_eq!(read.with_state(state), checkpoint);
    }
}
