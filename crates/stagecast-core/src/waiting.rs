//! The place of a job in its queue of external workers.

use stagecast_contract::tables::WorkQueues;
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, Granted, PutItem, UpdateItem},
};

use crate::{
    models::Job,
    stores::{StoreError, WaitingJobStore},
};

/// Stores the entry of a job, before the write that makes the job claimable: a job that is claimable is found, also
/// if this process is killed between the two. Does nothing for a job without a queue.
pub async fn enqueue<F>(waiting: &WaitingJobStore<F>, job: &Job) -> Result<(), StoreError>
where
    F: Function + Granted<PutItem<WorkQueues>> + Granted<UpdateItem<WorkQueues>>,
{
    waiting.put(job).await
}

/// Deletes the entry of a job that was claimed or has ended. A failure is only logged: a claimant that meets the
/// entry deletes it.
pub async fn dequeue<F>(waiting: &WaitingJobStore<F>, job: &Job)
where
    F: Function + Granted<DeleteItem<WorkQueues>>,
{
    if let Err(error) = waiting.delete_of(job).await {
        tracing::warn!(%error, job_id = %job.job_id, "the job's entry in its queue could not be deleted");
    }
}
