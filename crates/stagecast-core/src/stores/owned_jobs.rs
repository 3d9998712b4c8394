//! The lists of the jobs of owners.
//!
//! An entry is stored before its job, so every job of an owner is in its list as soon as it exists. An entry without a
//! job, of a creation that failed, is skipped by readers and expires.

use std::collections::BTreeMap;

use granted_aws::{Database, text};
use stagecast_contract::tables::WorkQueues;
use typed_contract::{
    functions::Function,
    grants::{Granted, PutItem, Query},
};

use super::StoreError;
use crate::models::{OWNED_PREFIX, OwnedJob};

/// The entries of owned jobs in `work_queues`.
#[derive(Debug)]
pub struct OwnedJobStore<F> {
    database: Database<F>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedJobs {
    /// The entries with the labels that were asked for, newest first.
    pub entries: Vec<OwnedJob>,
    /// The place after which the next part begins; none if this is the last part.
    pub next: Option<String>,
}

impl<F: Function> OwnedJobStore<F> {
    /// A store of entries in the table of `database`.
    pub fn new(database: Database<F>) -> Self {
        Self { database }
    }

    /// Stores the entry of a new job.
    pub async fn put(&self, entry: &OwnedJob) -> Result<(), StoreError>
    where
        F: Granted<PutItem<WorkQueues>>,
    {
        self.database
            .put_item::<OwnedJob>()
            .set_item(Some(entry.to_dynamodb_item()?))
            .send()
            .await
            .map_err(StoreError::of(
                "storing the job's entry in the list of its owner",
            ))?;
        Ok(())
    }

    /// Examines up to `limit` entries of `owner` that are older than the one at `after`, newest first, and returns those
    /// that have `labels`. Reads consistently.
    pub async fn older(
        &self,
        owner: &str,
        labels: &BTreeMap<String, String>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<OwnedJobs, StoreError>
    where
        F: Granted<Query<WorkQueues>>,
    {
        let list = OwnedJob::list_of(owner);
        let mut query = self
            .database
            .query::<WorkQueues>()
            .consistent_read(true)
            .scan_index_forward(false)
            .key_condition_expression("#queue = :list AND begins_with(#entry, :prefix)")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":list", text(&list))
            .expression_attribute_values(":prefix", text(OWNED_PREFIX))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        if !labels.is_empty() {
            let mut conditions = Vec::new();
            query = query.expression_attribute_names("#labels", "labels");
            for (index, (name, value)) in labels.iter().enumerate() {
                conditions.push(format!("#labels.#name{index} = :value{index}"));
                query = query
                    .expression_attribute_names(format!("#name{index}"), name)
                    .expression_attribute_values(format!(":value{index}"), text(value));
            }
            query = query.filter_expression(conditions.join(" AND "));
        }
        if let Some(after) = after {
            query = query
                .exclusive_start_key("queue", text(&list))
                .exclusive_start_key("entry", text(after));
        }
        let answer = query
            .send()
            .await
            .map_err(StoreError::of("reading the list of the owner"))?;
        let last_key = answer.last_evaluated_key.as_ref();
        let next = last_key.and_then(|key| key.get("entry")?.as_s().ok());
        let next = next.cloned();
        let entries = answer.items.unwrap_or_default().into_iter();
        let entries = entries.map(OwnedJob::from_dynamodb_item);
        Ok(OwnedJobs {
            entries: entries.collect::<Result<_, _>>()?,
            next,
        })
    }
}
