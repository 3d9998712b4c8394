//! The log of durable messages.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use granted_aws::{Database, Item, number, text};
use stagecast_contract::{ids::JobId, tables::JobEvents};
use typed_contract::{
    functions::Function,
    grants::{Granted, PutItem, Query},
};

use super::{
    StoreError,
    error::{all_items, condition_met},
};
use crate::models::{Event, StoredCheckpoint};

/// The result of writing an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The event was written.
    Written,
    /// The same claim has written this event at the same `seq` before. It stays. It is an earlier attempt
    /// whose response was lost, unless two requests write at once.
    Earlier(Event),
    /// A later claim has written at this `seq`.
    Later,
}

/// The result of storing a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is the last checkpoint of the job.
    Saved,
    /// The same claim has stored a later one, which stays: this one comes from a post that arrived late.
    Outdated,
    /// A later claim has the job.
    LeaseLost,
}

/// The first events of a part of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstEvents {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Whether the part may have more events.
    pub is_cut: bool,
}

/// The item of `job_events` at `seq`, whatever it contains.
pub(super) async fn item_at<F>(
    database: &Database<F>,
    operation: &'static str,
    job_id: &JobId,
    seq: u64,
) -> Result<Option<Item>, StoreError>
where
    F: Function + Granted<Query<JobEvents>>,
{
    let query = database
        .query::<JobEvents>()
        .key_condition_expression("job_id = :job_id AND seq = :seq")
        .expression_attribute_values(":job_id", text(job_id))
        .expression_attribute_values(":seq", number(seq));
    Ok(all_items(operation, query).await?.into_iter().next())
}

/// The log of durable messages in `job_events`.
#[derive(Debug)]
pub struct EventStore<F> {
    database: Database<F>,
}

impl<F> Clone for EventStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
        }
    }
}

impl<F: Function> EventStore<F> {
    /// A store of the log in the table of `database`.
    pub fn new(database: Database<F>) -> Self {
        Self { database }
    }

    /// Writes an event. It overwrites an uncommitted event of an earlier claim at the same `seq`, but never
    /// one of the same claim.
    pub async fn append(&self, event: &Event) -> Result<Appended, StoreError>
    where
        F: Granted<PutItem<JobEvents>> + Granted<Query<JobEvents>>,
    {
        let answer = self
            .database
            .put_item::<Event>()
            .set_item(Some(event.to_dynamodb_item()?))
            .condition_expression("attribute_not_exists(job_id) OR epoch < :epoch")
            .expression_attribute_values(":epoch", number(event.epoch))
            .send()
            .await;
        if condition_met("writing to the log", answer)?.is_some() {
            return Ok(Appended::Written);
        }
        let there = self.at(&event.job_id, event.seq).await?;
        Ok(match there {
            Some(there) if there.epoch == event.epoch => Appended::Earlier(there),
            _ => Appended::Later,
        })
    }

    /// Writes the checkpoint of a running stage, unless there is one at a later
    /// [position](crate::models::CheckpointPosition).
    pub(super) async fn put_checkpoint(
        &self,
        checkpoint: &StoredCheckpoint,
    ) -> Result<Saved, StoreError>
    where
        F: Granted<PutItem<JobEvents>> + Granted<Query<JobEvents>>,
    {
        // A repeat may write the same checkpoint again: its first write may not have been recorded in the job.
        let (mut not_before, mut put) = ("", self.database.put_item::<StoredCheckpoint>());
        if let Some(own) = checkpoint.checkpoint_number {
            not_before =
                " AND (attribute_not_exists(checkpoint_number) OR checkpoint_number <= :number)";
            put = put.expression_attribute_values(":number", number(own));
        }
        let answer = put
            .set_item(Some(checkpoint.to_dynamodb_item()?))
            .condition_expression(format!(
                "attribute_not_exists(job_id) OR epoch < :epoch OR (epoch = :epoch AND \
                 (attribute_not_exists(after_seq) OR after_seq < :after_seq OR \
                 (after_seq = :after_seq{not_before})))"
            ))
            .expression_attribute_values(":epoch", number(checkpoint.epoch))
            .expression_attribute_values(":after_seq", number(checkpoint.after_seq.unwrap_or(0)))
            .send()
            .await;
        if condition_met("storing a checkpoint", answer)?.is_some() {
            return Ok(Saved::Saved);
        }
        let there = self.checkpoint(&checkpoint.job_id).await?;
        Ok(match there {
            Some(there) if there.epoch == checkpoint.epoch => Saved::Outdated,
            _ => Saved::LeaseLost,
        })
    }

    /// Writes the checkpoint under the epoch of a new claim, unless this claim or a later one has written it.
    pub(super) async fn put_claimed_checkpoint(
        &self,
        checkpoint: &StoredCheckpoint,
    ) -> Result<(), StoreError>
    where
        F: Granted<PutItem<JobEvents>>,
    {
        let answer = self
            .database
            .put_item::<StoredCheckpoint>()
            .set_item(Some(checkpoint.to_dynamodb_item()?))
            .condition_expression("attribute_not_exists(job_id) OR epoch < :epoch")
            .expression_attribute_values(":epoch", number(checkpoint.epoch))
            .send()
            .await;
        condition_met("claiming a checkpoint", answer)?;
        Ok(())
    }

    /// The item with the last checkpoint of the job's running stage.
    pub async fn checkpoint(&self, job_id: &JobId) -> Result<Option<StoredCheckpoint>, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        let operation = "reading a checkpoint";
        let item = item_at(&self.database, operation, job_id, StoredCheckpoint::SEQ).await?;
        Ok(item.map(StoredCheckpoint::from_dynamodb_item).transpose()?)
    }

    /// The event at `seq`, committed or not.
    pub async fn at(&self, job_id: &JobId, seq: u64) -> Result<Option<Event>, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        let events = self.between(job_id, seq.saturating_sub(1), seq).await?;
        Ok(events.into_iter().next())
    }

    /// The first events after `after`, up to and including `last`, in order: as many as one request returns,
    /// which is up to 1 MB. See [`Self::between`] for `last`.
    pub async fn first_between(
        &self,
        job_id: &JobId,
        after: u64,
        last: u64,
    ) -> Result<FirstEvents, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        if after >= last {
            return Ok(FirstEvents::default());
        }
        let answer = self.range(job_id, after, last).consistent_read(true);
        let answer = answer.send().await;
        let answer = answer.map_err(StoreError::of("reading the log"))?;
        let is_cut = answer.last_evaluated_key.is_some();
        let items = answer.items.unwrap_or_default().into_iter();
        let events = items.map(|item| Ok(Event::from_dynamodb_item(item)?));
        Ok(FirstEvents {
            events: events.collect::<Result<_, StoreError>>()?,
            is_cut,
        })
    }

    /// The query of the events after `after`, up to and including `last`. DynamoDB refuses an empty range.
    fn range(&self, job_id: &JobId, after: u64, last: u64) -> QueryFluentBuilder
    where
        F: Granted<Query<JobEvents>>,
    {
        self.database
            .query::<JobEvents>()
            .key_condition_expression("job_id = :job_id AND seq BETWEEN :first AND :last")
            .expression_attribute_values(":job_id", text(job_id))
            .expression_attribute_values(":first", number(after.saturating_add(1)))
            .expression_attribute_values(":last", number(last))
    }

    /// The events after `after`, up to and including `last`, in order. Events beyond the job's `seq` are not
    /// committed: a reader for a client passes the job's `seq` as `last`.
    pub async fn between(
        &self,
        job_id: &JobId,
        after: u64,
        last: u64,
    ) -> Result<Vec<Event>, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        if after >= last {
            return Ok(Vec::new());
        }
        let query = self.range(job_id, after, last);
        let items = all_items("reading the log", query).await?;
        items
            .into_iter()
            .map(|item| Ok(Event::from_dynamodb_item(item)?))
            .collect()
    }
}
