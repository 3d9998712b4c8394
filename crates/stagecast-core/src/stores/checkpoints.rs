//! Checkpoints of running stages. Small states are in the item, large ones in the bucket.

use granted_aws::Objects;
use stage_pipeline::StageCheckpoint;
use stagecast_contract::{
    buckets::{self, checkpoint_key},
    ids::JobId,
    limits::MAX_INLINE_CHECKPOINT_BYTES,
    tables::JobEvents,
};
use typed_contract::{
    functions::Function,
    grants::{GetObject, Granted, PutItem, PutObject, Query},
};

use super::{EventStore, Lease, StoreError, json_objects};
use crate::models::StoredCheckpoint;

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

    /// Stores the `count`th checkpoint of a claim. False, without a change, when a later claim has stored
    /// one.
    ///
    /// The item names the object of a large state. Two objects of a claim take turns, so the one that the
    /// item names is not overwritten before the item names the other.
    pub async fn save(
        &self,
        lease: &Lease,
        count: u64,
        checkpoint: &StageCheckpoint,
        expires_at: i64,
    ) -> Result<bool, StoreError>
    where
        F: Granted<PutItem<JobEvents>> + Granted<PutObject<buckets::Objects>>,
    {
        let object =
            is_large(checkpoint).then(|| checkpoint_key(&lease.job_id, lease.epoch, count % 2));
        if let Some(key) = object.clone() {
            let operation = "storing a checkpoint";
            json_objects::put(&self.objects, operation, key, &checkpoint.state).await?;
        }
        let job_id = lease.job_id.clone();
        let stored = StoredCheckpoint::new(job_id, lease.epoch, checkpoint, object, expires_at);
        self.events.put_checkpoint(&stored).await
    }

    /// [`Self::save`] for an external worker, whose posts are served by several processes: the count is read from
    /// the item, if the state is large.
    pub async fn save_next(
        &self,
        lease: &Lease,
        checkpoint: &StageCheckpoint,
        expires_at: i64,
    ) -> Result<bool, StoreError>
    where
        F: Granted<PutItem<JobEvents>>
            + Granted<Query<JobEvents>>
            + Granted<PutObject<buckets::Objects>>,
    {
        let mut count = 0;
        if is_large(checkpoint) {
            let last = self.events.checkpoint(&lease.job_id).await?;
            let object = last.and_then(|last| last.object);
            count = (object == Some(checkpoint_key(&lease.job_id, lease.epoch, 0))).into();
        }
        self.save(lease, count, checkpoint, expires_at).await
    }

    /// The last checkpoint of the job; None if none of its stages has stored one.
    pub async fn load(&self, job_id: &JobId) -> Result<Option<StageCheckpoint>, StoreError>
    where
        F: Granted<Query<JobEvents>> + Granted<GetObject<buckets::Objects>>,
    {
        let Some(stored) = self.events.checkpoint(job_id).await? else {
            return Ok(None);
        };
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
        Ok(Some(stored.with_state(state)))
    }
}

/// Whether the state is in the bucket.
fn is_large(checkpoint: &StageCheckpoint) -> bool {
    checkpoint.state.get().len() > MAX_INLINE_CHECKPOINT_BYTES
}
