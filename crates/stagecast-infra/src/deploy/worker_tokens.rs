//! The worker tokens in the table `work_queues` of a stack.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::types::AttributeValue;
use cloudformation_deploy::{Attempt as _, CallError};
use stagecast_contract::{
    ids::WorkerToken,
    timestamp::Timestamp,
    worker_tokens::{PARTITION, TokenQueues, WorkerTokenRecord},
};

use super::AwsSession;

/// Why worker tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An item of the table is no worker token of this version.
    #[error(
        "a worker token in the table {table} cannot be read: {cause}\n  help: use the version that has made it"
    )]
    Item {
        /// The table.
        table: String,
        /// The reader's message.
        cause: String,
    },
}

/// The worker tokens of a stack.
#[derive(Debug)]
pub struct WorkerTokens<'a> {
    session: &'a AwsSession,
    table: String,
}

impl<'a> WorkerTokens<'a> {
    /// The tokens in the table with this name.
    pub fn new(session: &'a AwsSession, table: String) -> Self {
        Self { session, table }
    }

    /// Makes a token. Only its record is stored.
    pub async fn create(
        &self,
        name: String,
        queues: TokenQueues,
        expires_in_days: Option<u32>,
    ) -> Result<WorkerToken, TokenError> {
        let token = random_token();
        let now = now();
        let expiry = expires_in_days.map(|days| now.plus_seconds(i64::from(days) * 24 * 60 * 60));
        let invalid = |cause: &dyn std::fmt::Display| TokenError::Item {
            table: self.table.clone(),
            cause: cause.to_string(),
        };
        let record = WorkerTokenRecord::new(&token, name, queues, now, expiry);
        let record = record.ok_or_else(|| invalid(&"it has no id"))?;
        let item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(&record).map_err(|error| invalid(&error))?;
        let request = self.session.dynamodb.put_item();
        let answer = request
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await;
        answer.attempt(|| format!("store a worker token in the table {}", self.table))?;
        Ok(token)
    }

    /// The records of all tokens that have not expired, the oldest first.
    pub async fn list(&self) -> Result<Vec<WorkerTokenRecord>, TokenError> {
        let request = self.session.dynamodb.query().table_name(&self.table);
        let mut pages = request
            .key_condition_expression("#queue = :tokens")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":tokens", AttributeValue::S(PARTITION.to_owned()))
            .consistent_read(true)
            .into_paginator()
            .send();
        let mut records: Vec<WorkerTokenRecord> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.attempt(|| format!("list the worker tokens in {}", self.table))?;
            for item in page.items.unwrap_or_default() {
                let record = serde_dynamo::from_item(item).map_err(|error| TokenError::Item {
                    table: self.table.clone(),
                    cause: error.to_string(),
                })?;
                records.push(record);
            }
        }
        let now = now();
        records.retain(|record| now.epoch_seconds() < record.expires_at);
        records.sort_by_key(|record| record.created_at);
        Ok(records)
    }

    /// Deletes the token with this id. False if there is none.
    pub async fn revoke(&self, id: &str) -> Result<bool, TokenError> {
        let key = WorkerTokenRecord::key_of(id);
        let request = self.session.dynamodb.delete_item();
        let answer = request
            .table_name(&self.table)
            .key("queue", AttributeValue::S(key.queue.to_owned()))
            .key("entry", AttributeValue::S(key.entry.to_owned()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await;
        let answer =
            answer.attempt(|| format!("delete a worker token in the table {}", self.table))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line has no test that controls its randomness"
)]
fn random_token() -> WorkerToken {
    let (mut id, mut secret) = ([0; 8], [0; 16]);
    getrandom::fill(&mut id).expect("the operating system returns random bytes");
    getrandom::fill(&mut secret).expect("the operating system returns random bytes");
    WorkerToken::new(id, secret)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line has no test that controls its time"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    Timestamp::from_epoch_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
