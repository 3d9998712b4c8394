//! Checkpoints of running stages. Small states are in the item, large ones in the bucket.

use granted_aws::Objects;
use stage_pipeline::StageCheckpoint;
use stagecast_contract::{
    buckets::{self, checkpoint_key, worker_checkpoint_key},
    ids::JobId,
    limits::MAX_INLINE_CHECKPOINT_BYTES,
    tables::JobEvents,
};
use typed_contract::{
    functions::Function,
    grants::{GetObject, Granted, PutItem, PutObject, Query},
};

use super::{EventStore, Lease, Saved, StoreError, json_objects};
use crate::{
    hash::sha256_hex,
    models::{CheckpointPosition, StoredCheckpoint},
};

/// The grants of a function that stores checkpoints.
pub trait Saves:
    Granted<PutItem<JobEvents>> + Granted<Query<JobEvents>> + Granted<PutObject<buckets::Objects>>
{
}

impl<F> Saves for F where
    F: Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
        + Granted<PutObject<buckets::Objects>>
{
}

/// The last checkpoint of each job's running stage.
#[derive(Debug)]
pub struct CheckpointStore<F> {
    events: EventStore<F>,
    objects: Objects<F>,
}

impl<F: Function> CheckpointStore<F> {
    /// A store of checkpoints in the table of `events` and in the bucket of `objects`.
    pub fn new(events: EventStore<F>, objects: Objects<F>) -> Self {
        Self { events, objects }
    }

    /// Stores the `count`th checkpoint of a run of the pipeline, after the durable message `after_seq`.
    ///
    /// The item names the object of a large state. Two objects of a claim take turns, so the one that the
    /// item names is not overwritten before the item names the other.
    pub async fn save(
        &self,
        lease: &Lease,
        after_seq: u64,
        count: u64,
        checkpoint: &StageCheckpoint,
        expires_at: i64,
    ) -> Result<Saved, StoreError>
    where
        F: Saves,
    {
        let object =
            is_large(checkpoint).then(|| checkpoint_key(&lease.job_id, lease.epoch, count % 2));
        let position = CheckpointPosition {
            epoch: lease.epoch,
            after_seq,
            number: Some(count),
        };
        self.write(lease, position, object, checkpoint, expires_at)
            .await
    }

    /// Stores a checkpoint of an external worker, which has this `number` among those after the durable message
    /// `after_seq`, if the worker counts them.
    ///
    /// Posts of an external worker may be served at the same time, and late. So each large state is a separate
    /// object.
    pub async fn save_posted(
        &self,
        lease: &Lease,
        after_seq: u64,
        number: Option<u64>,
        checkpoint: &StageCheckpoint,
        expires_at: i64,
    ) -> Result<Saved, StoreError>
    where
        F: Saves,
    {
        let object = is_large(checkpoint)
            .then(|| worker_checkpoint_key(&lease.job_id, &sha256_hex(checkpoint.state.get())));
        let position = CheckpointPosition {
            epoch: lease.epoch,
            after_seq,
            number,
        };
        self.write(lease, position, object, checkpoint, expires_at)
            .await
    }

    /// Writes a large state to the bucket, then the item.
    async fn write(
        &self,
        lease: &Lease,
        position: CheckpointPosition,
        object: Option<String>,
        checkpoint: &StageCheckpoint,
        expires_at: i64,
    ) -> Result<Saved, StoreError>
    where
        F: Saves,
    {
        if let Some(key) = object.clone() {
            let operation = "storing a checkpoint";
            json_objects::put(&self.objects, operation, key, &checkpoint.state).await?;
        }
        let job_id = lease.job_id.clone();
        let stored = StoredCheckpoint::new(job_id, position, checkpoint, object, expires_at);
        self.events.put_checkpoint(&stored).await
    }

    /// The state from which the claim of `lease` continues; None if no stage has stored one, or `is_finished` says
    /// that its stage has finished. `after_seq` is the job's `seq`.
    ///
    /// The item is written under the epoch of the claim, so that a post of an earlier claim that is still being
    /// served stores nothing any more.
    pub async fn take_over(
        &self,
        lease: &Lease,
        after_seq: u64,
        expires_at: i64,
        is_finished: impl Fn(&str) -> bool,
    ) -> Result<Option<StageCheckpoint>, StoreError>
    where
        F: Granted<PutItem<JobEvents>>
            + Granted<Query<JobEvents>>
            + Granted<GetObject<buckets::Objects>>,
    {
        let stored = self.events.checkpoint(&lease.job_id).await?;
        let stored = stored.filter(|stored| stored.has_state() && !is_finished(&stored.stage));
        let position = CheckpointPosition {
            epoch: lease.epoch,
            after_seq,
            number: None,
        };
        let claimed = match stored.clone() {
            Some(stored) => stored.at(position),
            None => StoredCheckpoint::without_state(lease.job_id.clone(), position, expires_at),
        };
        self.events.put_claimed_checkpoint(&claimed).await?;
        match stored {
            Some(stored) => Ok(Some(self.with_state(stored).await?)),
            None => Ok(None),
        }
    }

    /// The last checkpoint of the job; None if none of its stages has stored one.
    pub async fn load(&self, job_id: &JobId) -> Result<Option<StageCheckpoint>, StoreError>
    where
        F: Granted<Query<JobEvents>> + Granted<GetObject<buckets::Objects>>,
    {
        match self.events.checkpoint(job_id).await? {
            Some(stored) if stored.has_state() => Ok(Some(self.with_state(stored).await?)),
            _ => Ok(None),
        }
    }

    async fn with_state(&self, stored: StoredCheckpoint) -> Result<StageCheckpoint, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        let operation = "reading a checkpoint";
        let state = match (&stored.state, &stored.object) {
            (Some(state), _) => json_objects::parse(operation, state.clone())?,
            (None, Some(key)) => json_objects::get(&self.objects, operation, key).await?,
            (None, None) => {
                return Err(StoreError::call(operation)(
                    "its item has no state".to_owned(),
                ));
            }
        };
        Ok(stored.with_state(state))
    }
}

/// Whether the state is in the bucket.
fn is_large(checkpoint: &StageCheckpoint) -> bool {
    checkpoint.state.get().len() > MAX_INLINE_CHECKPOINT_BYTES
}
