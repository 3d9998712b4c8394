//! The owners with waiting jobs: what a claim reads instead of all jobs of a queue.
//!
//! An item is stored after the entry of a job, and after a slot of the owner became free. A claim deletes it once it
//! has found no entry or no free slot, on the condition that no request has stored it since the claim read it. So
//! an owner with an entry and a free slot has an item.

use std::collections::BTreeSet;

use granted_aws::{number, text};
use stagecast_contract::{
    tables::{WorkQueueKey, WorkQueues},
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, Granted, Query, UpdateItem},
    tables::Record as _,
};

use super::{StoreError, WaitingJobStore, nonce};
use crate::{
    clock::random,
    models::{OwnerQueue, WAITING_PREFIX, WaitingJob, WaitingOwner},
    stores::error::condition_met,
};

/// Owners that one read returns at most.
const PAGE_SIZE: usize = 100;

/// A part of the owners with waiting jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingOwners {
    /// The owners: all of the highest priority, or a random part of them.
    pub owners: Vec<WaitingOwner>,
    /// Whether others may have waiting jobs.
    pub is_partial: bool,
}

impl<F: Function> WaitingJobStore<F> {
    /// Owners with waiting jobs in the queue, read consistently, those of the highest priority first. One read for up
    /// to 100 items; with more of the highest priority, a second read begins at a random one.
    pub async fn owners(&self, queue: &QueueName) -> Result<WaitingOwners, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let first = WaitingOwner::position(u8::MAX, 0);
        let mut owners = self
            .owners_between(queue, &first, WaitingOwner::AFTER_ALL, PAGE_SIZE)
            .await?;
        let is_partial = owners.len() >= PAGE_SIZE;
        let priority = |owner: Option<&WaitingOwner>| owner.map(WaitingOwner::priority);
        if is_partial
            && let Some(highest) = priority(owners.first())
            && priority(owners.last()) == Some(highest)
        {
            let start = WaitingOwner::position(highest, u16::from_be_bytes(random()));
            let end = WaitingOwner::after(highest);
            let others = self
                .owners_between(queue, &start, &end, PAGE_SIZE)
                .await?
                .into_iter()
                .filter(|owner| !owners.contains(owner))
                .collect::<Vec<_>>();
            owners.extend(others);
        }
        Ok(WaitingOwners { owners, is_partial })
    }

    /// The parts of up to `limit` owners with waiting jobs in the queue.
    pub(super) async fn parts(
        &self,
        queue: &QueueName,
        limit: usize,
    ) -> Result<BTreeSet<OwnerQueue>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let mut parts = BTreeSet::new();
        let mut from = WaitingOwner::position(u8::MAX, 0);
        loop {
            let page = self
                .owners_between(queue, &from, WaitingOwner::AFTER_ALL, PAGE_SIZE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(parts);
            };
            // The least key after the last one.
            from = format!("{}\u{0}", last.key().entry);
            parts.extend(page.into_iter().map(|owner| OwnerQueue {
                queue: owner.queue,
                owner: owner.owner,
            }));
            if parts.len() >= limit {
                return Ok(parts);
            }
        }
    }

    /// Whether a job without an owner has an entry in the queue, or an owner an item.
    pub async fn has_waiting(&self, queue: &QueueName) -> Result<bool, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        if !self.first(queue, None, 1).await?.is_empty() {
            return Ok(true);
        }
        let first = WaitingOwner::position(u8::MAX, 0);
        let owners = self.owners_between(queue, &first, WaitingOwner::AFTER_ALL, 1);
        Ok(!owners.await?.is_empty())
    }

    async fn owners_between(
        &self,
        queue: &QueueName,
        from: &str,
        to: &str,
        limit: usize,
    ) -> Result<Vec<WaitingOwner>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let answer = self
            .database
            .query::<WorkQueues>()
            .consistent_read(true)
            .key_condition_expression("#queue = :queue AND #entry BETWEEN :from AND :to")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":queue", text(queue))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(StoreError::of("reading the owners with waiting jobs"))?;
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items
            .map(WaitingOwner::from_dynamodb_item)
            .collect::<Result<_, _>>()?)
    }

    /// Stores the item of an owner who has an entry with this priority, or renews it: no claim that has read it before
    /// deletes it. `running` is the number of the owner's running jobs, if it was counted. Whether there was no item.
    pub(super) async fn put_owner(
        &self,
        part: &OwnerQueue,
        priority: u8,
        running: Option<u32>,
    ) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<WorkQueues>>,
    {
        let now = self.clock.now();
        let turn_at = i64::try_from(self.clock.millis()).unwrap_or(i64::MAX);
        let count = if running.is_some() {
            "running = :running, counted_at = :now"
        } else {
            "running = if_not_exists(running, :running), counted_at = if_not_exists(counted_at, :now)"
        };
        let answer = self
            .database
            .update_item(&WorkQueueKey {
                queue: part.queue.as_str(),
                entry: &WaitingOwner::entry_of(&part.owner, priority),
            })
            .update_expression(format!(
                "SET #owner = :owner, version = :version, expires_at = :expires_at, \
                 turn_at = if_not_exists(turn_at, :turn_at), {count}"
            ))
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&part.owner))
            .expression_attribute_values(":version", text(nonce()))
            .expression_attribute_values(":expires_at", number(WaitingOwner::expiry(now)))
            .expression_attribute_values(":turn_at", number(turn_at))
            .expression_attribute_values(":running", number(running.unwrap_or(0)))
            .expression_attribute_values(":now", number(now.epoch_seconds()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .map_err(StoreError::of("storing an owner with waiting jobs"))?;
        Ok(answer.attributes.is_none_or(|old| old.is_empty()))
    }

    /// Stores the items of an owner with a free slot, for each priority of its entries. Whether one was missing; none
    /// if the owner has no entries.
    pub(super) async fn restore_owner(
        &self,
        part: &OwnerQueue,
        running: u32,
    ) -> Result<Option<bool>, StoreError>
    where
        F: Granted<Query<WorkQueues>> + Granted<UpdateItem<WorkQueues>>,
    {
        let mut was_missing = None;
        let mut from = WAITING_PREFIX.to_owned();
        while let Some(priority) = self.next_priority(part, &from).await? {
            let is_new = self.put_owner(part, priority, Some(running)).await?;
            was_missing = Some(was_missing.unwrap_or(false) || is_new);
            from = WaitingJob::after(priority);
        }
        Ok(was_missing)
    }

    /// The priority of the first entry of the part whose sort key is not before `from`.
    async fn next_priority(&self, part: &OwnerQueue, from: &str) -> Result<Option<u8>, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let answer = self
            .database
            .query::<WorkQueues>()
            .consistent_read(true)
            .key_condition_expression("#queue = :queue AND #entry BETWEEN :from AND :to")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":queue", text(part.partition()))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(WaitingJob::AFTER_ALL))
            .limit(1)
            .send()
            .await
            .map_err(StoreError::of("reading the waiting jobs of an owner"))?;
        let item = answer.items.unwrap_or_default().into_iter().next();
        let entry = item.map(WaitingJob::from_dynamodb_item).transpose()?;
        Ok(entry.map(|entry| entry.priority()))
    }

    /// Deletes the item of an owner without an entry or without a free slot, as found since the item was read. False
    /// if it was stored again since, because a job became claimable or a slot free.
    pub async fn delete_owner(&self, owner: &WaitingOwner) -> Result<bool, StoreError>
    where
        F: Granted<DeleteItem<WorkQueues>>,
    {
        let deleted = self
            .database
            .delete_item(&owner.key())
            .condition_expression("attribute_not_exists(version) OR version = :version")
            .expression_attribute_values(":version", text(&owner.version))
            .send()
            .await;
        Ok(condition_met("deleting an owner without claimable jobs", deleted)?.is_some())
    }

    /// Corrects the number of running jobs in the item of an owner. With `served_at`, a job of the owner was claimed
    /// at this time, in milliseconds since 1970.
    pub async fn record_count(
        &self,
        owner: &WaitingOwner,
        running: u32,
        served_at: Option<u64>,
    ) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<WorkQueues>>,
    {
        let now: Timestamp = self.clock.now();
        let turn_at = served_at.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        let update = self
            .database
            .update_item(&owner.key())
            .update_expression("SET running = :running, counted_at = :now, turn_at = :turn_at")
            .condition_expression("attribute_exists(version)")
            .expression_attribute_values(":running", number(running))
            .expression_attribute_values(":now", number(now.epoch_seconds()))
            .expression_attribute_values(":turn_at", number(turn_at.unwrap_or(owner.turn_at)))
            .send()
            .await;
        // Without an item, the owner has no turn.
        condition_met("recording the turn of an owner", update)?;
        Ok(())
    }
}
