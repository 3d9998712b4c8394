//! The running jobs of owners: a slot for each of them.
//!
//! A claim reserves the slot before it is written, and counts the owner's slots afterwards. So of several claims at the
//! same time, the last one to reserve counts the slots of all others, and the limit is not exceeded. A claim over the
//! limit withdraws its slot and counts again: the last one to withdraw finds the slots that are free.

use aws_sdk_dynamodb::types::ReturnValue;
use granted_aws::{number, text};
use stagecast_contract::{
    messages::JobStatus,
    tables::{WorkQueueKey, WorkQueues},
    worker_queues::OwnerLimit,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, Granted, PutItem, Query, UpdateItem},
    tables::Record as _,
};

use super::{StoreError, WaitingJobStore, nonce};
use crate::{
    models::{Job, OwnerQueue, RUNNING_PREFIX, RunningJob},
    retry::RetryPolicy,
    stores::error::condition_met,
};

/// Seconds after which a slot is free whose claim was not written: the request that reserved it has ended. The
/// function of workers runs for at most 20 seconds.
const RESERVATION_SECONDS: i64 = 25;

/// The largest number of running jobs that is counted without a limit.
const COUNTED: i32 = 100;

/// What frees a slot.
pub trait FreesSlots:
    Function
    + Granted<DeleteItem<WorkQueues>>
    + Granted<Query<WorkQueues>>
    + Granted<UpdateItem<WorkQueues>>
{
}

impl<F> FreesSlots for F where
    F: Function
        + Granted<DeleteItem<WorkQueues>>
        + Granted<Query<WorkQueues>>
        + Granted<UpdateItem<WorkQueues>>
{
}

impl<F: Function> WaitingJobStore<F> {
    /// Reserves the slot of a job for its claim `epoch`, which is about to be written. None if another request has
    /// reserved it and may be about to write its claim, or if the job has no owner.
    pub async fn reserve(&self, job: &Job, epoch: u64) -> Result<Option<RunningJob>, StoreError>
    where
        F: Granted<PutItem<WorkQueues>>,
    {
        let now = self.clock.now();
        let Some(slot) = RunningJob::of(job, epoch, nonce(), now) else {
            return Ok(None);
        };
        let answer = self
            .database
            .put_item::<RunningJob>()
            .set_item(Some(slot.to_dynamodb_item()?))
            .condition_expression(
                "attribute_not_exists(epoch) OR epoch < :epoch OR stored_at < :old \
                 OR reserved_by = :reserved_by",
            )
            .expression_attribute_values(":epoch", number(epoch))
            .expression_attribute_values(":old", text(now.plus_seconds(-RESERVATION_SECONDS)))
            // The SDK repeats a request whose response was lost.
            .expression_attribute_values(":reserved_by", text(&slot.reserved_by))
            .send()
            .await;
        Ok(condition_met("reserving a slot of the owner", answer)?.map(|_| slot))
    }

    /// Reserves a slot within a limit of running jobs, for the claim `epoch` of a job with an owner.
    ///
    /// Claims at the same time may exceed the limit together and all withdraw. Each tries again after a random time.
    pub async fn reserve_within(
        &self,
        job: &Job,
        part: &OwnerQueue,
        epoch: u64,
        limit: OwnerLimit,
    ) -> Result<Reserved, StoreError>
    where
        F: FreesSlots + Granted<PutItem<WorkQueues>>,
    {
        let most = u32::from(limit.jobs());
        let mut backoff = RetryPolicy::SLOT_CONTENTION.backoff();
        loop {
            let Some(slot) = self.reserve(job, epoch).await? else {
                return Ok(Reserved::Taken);
            };
            let running = self.count_running(part, Some(limit)).await?;
            if running <= most {
                return Ok(Reserved::Slot { slot, running });
            }
            if !self.withdraw_and_restore(&slot, part, Some(limit)).await? {
                return Ok(Reserved::Full);
            }
            if !backoff.wait().await {
                return Ok(Reserved::Contended);
            }
            if self.count_running(part, Some(limit)).await? >= most {
                return Ok(Reserved::Full);
            }
        }
    }

    /// Deletes a slot whose claim was not written, unless another request has reserved it since.
    pub async fn withdraw(&self, slot: &RunningJob) -> Result<(), StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        let answer = self
            .database
            .delete_item(&slot.key())
            .condition_expression("reserved_by = :reserved_by")
            .expression_attribute_values(":reserved_by", text(&slot.reserved_by))
            .send()
            .await;
        condition_met("withdrawing a slot of the owner", answer)?;
        Ok(())
    }

    /// The number of slots that the owner's jobs take, read consistently: at most one more than `limit`, or 100 without a
    /// limit.
    pub async fn count_running(
        &self,
        part: &OwnerQueue,
        limit: Option<OwnerLimit>,
    ) -> Result<u32, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let most = limit.map_or(COUNTED, |limit| i32::from(limit.jobs()) + 1);
        let slots = self.slots(part, RUNNING_PREFIX, most).await?;
        Ok(u32::try_from(slots.len()).unwrap_or(u32::MAX))
    }

    async fn slots(
        &self,
        part: &OwnerQueue,
        prefix: &str,
        limit: i32,
    ) -> Result<Vec<RunningJob>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let answer = self
            .database
            .query::<WorkQueues>()
            .consistent_read(true)
            .key_condition_expression("#queue = :queue AND begins_with(#entry, :prefix)")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":queue", text(part.partition()))
            .expression_attribute_values(":prefix", text(prefix))
            .limit(limit)
            .send()
            .await
            .map_err(StoreError::of("reading the running jobs of an owner"))?;
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items
            .map(RunningJob::from_dynamodb_item)
            .collect::<Result<_, _>>()?)
    }

    /// Frees the slot of a job that no claim holds any more, and makes the owner's waiting jobs claimable if the owner
    /// was at its limit. Whether workers of the queue have to be notified. Idempotent.
    ///
    /// `job` was just read. The slot of a later claim stays, and so does that of a request that may be about to claim.
    pub async fn free_slot(&self, job: &Job, limit: Option<OwnerLimit>) -> Result<bool, StoreError>
    where
        F: FreesSlots,
    {
        let now = self.clock.now();
        let Some(part) = OwnerQueue::of(job) else {
            return Ok(false);
        };
        let entry = format!("{RUNNING_PREFIX}{}", job.job_id);
        let partition = part.partition();
        let mut delete = self
            .database
            .delete_item(&WorkQueueKey {
                queue: &partition,
                entry: &entry,
            })
            .return_values(ReturnValue::AllOld);
        // A job that has ended does not run again.
        if !job.status.has_ended() {
            delete = delete
                .condition_expression("epoch <= :epoch OR stored_at < :old")
                .expression_attribute_values(":epoch", number(job.epoch))
                .expression_attribute_values(":old", text(now.plus_seconds(-RESERVATION_SECONDS)));
        }
        let deleted = condition_met("freeing a slot of the owner", delete.send().await)?;
        let deleted = deleted.and_then(|answer| answer.attributes);
        let was_taken = deleted.is_some_and(|slot| !slot.is_empty());
        let restored = self.restore(&part, limit).await?;
        // Another process may have stored the items, and have been killed before it notified the workers.
        Ok(match restored {
            Restored::Missing => true,
            Restored::Present => was_taken,
            Restored::Full | Restored::Nothing => false,
        })
    }

    /// Stores the items of an owner after a slot was freed, if there is a limit.
    async fn restore(
        &self,
        part: &OwnerQueue,
        limit: Option<OwnerLimit>,
    ) -> Result<Restored, StoreError>
    where
        F: FreesSlots,
    {
        // Without a limit, no claim deletes the item of an owner with an entry.
        let Some(limit) = limit else {
            return Ok(Restored::Full);
        };
        let running = self.count_running(part, Some(limit)).await?;
        if running >= u32::from(limit.jobs()) {
            // The request that frees the next slot counts again.
            return Ok(Restored::Full);
        }
        Ok(match self.restore_owner(part, running).await? {
            None => Restored::Nothing,
            Some(true) => Restored::Missing,
            Some(false) => Restored::Present,
        })
    }

    /// Withdraws a slot whose claim was not written. Whether the owner has a free slot now: its items are stored
    /// then, because other claims may have found it full meanwhile.
    pub async fn withdraw_and_restore(
        &self,
        slot: &RunningJob,
        part: &OwnerQueue,
        limit: Option<OwnerLimit>,
    ) -> Result<bool, StoreError>
    where
        F: FreesSlots,
    {
        self.withdraw(slot).await?;
        Ok(match self.restore(part, limit).await? {
            Restored::Missing | Restored::Present | Restored::Nothing => true,
            Restored::Full => limit.is_none(),
        })
    }

    /// Frees the slot of a claim `epoch` that was never written: its request was interrupted, or another request has
    /// claimed the job first. None if the request may still write it.
    pub async fn free_unwritten(
        &self,
        job: &Job,
        limit: Option<OwnerLimit>,
    ) -> Result<Option<bool>, StoreError>
    where
        F: FreesSlots,
    {
        let Some(part) = OwnerQueue::of(job) else {
            return Ok(Some(false));
        };
        let key = format!("{RUNNING_PREFIX}{}", job.job_id);
        let slot = self.slots(&part, &key, 1).await?.into_iter().next();
        if let Some(slot) = slot.filter(|slot| slot.epoch > job.epoch) {
            let age = self.clock.now().epoch_seconds() - slot.stored_at.epoch_seconds();
            if age <= RESERVATION_SECONDS {
                return Ok(None);
            }
            if job.status == JobStatus::Running {
                // The worker of the claim before has returned. The slot is that of its job.
                return Ok(Some(false));
            }
            self.withdraw(&slot).await?;
        }
        // Also without a slot: the request may have been killed after it has withdrawn it.
        let restored = self.restore(&part, limit).await?;
        Ok(Some(matches!(
            restored,
            Restored::Missing | Restored::Present
        )))
    }
}

/// The result of reserving a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The claim may be written.
    Slot {
        /// The slot.
        slot: RunningJob,
        /// The number of the owner's slots with this one.
        running: u32,
    },
    /// Another request is about to claim the job.
    Taken,
    /// The owner has no free slot.
    Full,
    /// The owner has a free slot, which this claim and others have given up several times.
    Contended,
}

/// The items of an owner after a slot was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restored {
    /// The owner is at its limit, or there is none.
    Full,
    /// The owner has no waiting jobs.
    Nothing,
    /// The owner has waiting jobs, and the items of all their priorities were present.
    Present,
    /// An item was missing and is stored.
    Missing,
}
