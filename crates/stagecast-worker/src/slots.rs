//! The slots of owners, whose running jobs are counted and may be limited: reserved before a claim from a queue is
//! written, freed when the job has ended or was handed back.

use stagecast_contract::messages::JobStatus;
use stagecast_core::{
    models::{Job, OwnerQueue, RunningJob},
    stores::{Reserved, StoreError},
};

use crate::context::Context;

/// A slot that was reserved for a claim.
pub(crate) struct Slot {
    part: OwnerQueue,
    reserved: RunningJob,
    /// The number of the owner's slots with this one, if there is a limit.
    pub(crate) counted: Option<u32>,
}

/// Why no slot was reserved.
pub(crate) enum NoSlot {
    /// Another request is about to claim the job.
    Taken,
    /// The owner is at its limit.
    Full,
    /// The owner has a free slot, which this claim and others have given up. The claim is repeated.
    Contended,
}

/// Reserves a slot of the job's owner for the claim `epoch`, which is about to be written. None if the job has no owner.
///
/// With a limit, the slots are counted after the reservation, so that of two claims at the same time at least one
/// counts the other.
pub(crate) async fn reserve_slot(
    context: &Context,
    job: &Job,
    epoch: u64,
) -> Result<Result<Option<Slot>, NoSlot>, StoreError> {
    let waiting = &context.stores.waiting;
    let Some(part) = OwnerQueue::of(job) else {
        return Ok(Ok(None));
    };
    let (reserved, counted) = match context.owner_limit {
        None => match waiting.reserve(job, epoch).await? {
            Some(slot) => (slot, None),
            None => return Ok(Err(NoSlot::Taken)),
        },
        Some(limit) => match waiting.reserve_within(job, &part, epoch, limit).await? {
            Reserved::Slot { slot, running } => (slot, Some(running)),
            Reserved::Taken => return Ok(Err(NoSlot::Taken)),
            Reserved::Full => return Ok(Err(NoSlot::Full)),
            Reserved::Contended => return Ok(Err(NoSlot::Contended)),
        },
    };
    Ok(Ok(Some(Slot {
        part,
        reserved,
        counted,
    })))
}

/// Gives up a slot whose claim was not written, because the job was claimed or has changed since it was read. It stays
/// if a worker holds the job: the slot is that of the job.
pub(crate) async fn give_up_slot(context: &Context, slot: &Slot) -> Result<(), StoreError> {
    let (stores, limit) = (&context.stores, context.owner_limit);
    let job = stores.jobs.load(&slot.reserved.job_id).await?;
    let now = stores.clock.now();
    let is_held = |job: &Job| job.status == JobStatus::Running && !job.is_claimable(now);
    if job.as_ref().is_some_and(is_held) {
        return Ok(());
    }
    let waiting = &stores.waiting;
    let is_free = waiting.withdraw_and_restore(&slot.reserved, &slot.part, limit);
    if is_free.await? && limit.is_some() {
        // Another claim may have found the owner full meanwhile.
        context.waker.wake(&slot.part.queue).await;
    }
    Ok(())
}

/// Frees the slot of a job that no worker holds any more. If the owner was at its limit, workers that listen to the
/// queue are notified of its next job.
pub(crate) async fn free(context: &Context, job: &Job) {
    if is_freed(context, job).await
        && let Some(queue) = &job.queue
    {
        context.waker.wake(queue).await;
    }
}

/// Frees the slot of a job that no worker holds any more. Whether a job of the owner can be claimed since.
///
/// A failure is only logged: the watchdog of the claim frees the slot.
pub(crate) async fn is_freed(context: &Context, job: &Job) -> bool {
    let freed = context.stores.waiting.free_slot(job, context.owner_limit);
    freed.await.unwrap_or_else(|error| {
        tracing::warn!(%error, job_id = %job.job_id, "the slot of the job's owner is freed by the watchdog");
        false
    })
}
