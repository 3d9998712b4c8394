//! The log of durable messages.

use granted_aws::{Database, number, text};
use stagecast_contract::{ids::JobId, tables::JobEvents};
use typed_contract::{
    functions::Function,
    grants::{Granted, PutItem, Query},
};

use super::{
    StoreError,
    error::{all_items, condition_met},
};
use crate::models::Event;

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

    /// The event at `seq`, committed or not.
    pub async fn at(&self, job_id: &JobId, seq: u64) -> Result<Option<Event>, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        let events = self.between(job_id, seq.saturating_sub(1), seq).await?;
        Ok(events.into_iter().next())
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
        // DynamoDB refuses an empty range.
        if after >= last {
            return Ok(Vec::new());
        }
        let query = self
            .database
            .query::<JobEvents>()
            .key_condition_expression("job_id = :job_id AND seq BETWEEN :first AND :last")
            .expression_attribute_values(":job_id", text(job_id))
            .expression_attribute_values(":first", number(after + 1))
            .expression_attribute_values(":last", number(last));
        let items = all_items("reading the log", query).await?;
        items
            .into_iter()
            .map(|item| Ok(Event::from_dynamodb_item(item)?))
            .collect()
    }
}
