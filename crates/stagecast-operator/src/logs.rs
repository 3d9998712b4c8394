//! The log records of the stack's functions, merged in the order of time.
//!
//! They are polled with `FilterLogEvents`, which is free of charge and limited to a few requests per second and account.
//! CloudWatch shows a record some seconds after it was written, and not in the order of time, so each poll reads the last
//! seconds again.

use std::{collections::BTreeMap, time::Duration};

use aws_config::SdkConfig;
use futures_util::future::try_join_all;
use serde::Serialize;

use crate::{OperatorError, error::call_failed};

/// How far before the newest record each poll begins.
const OVERLAP: Duration = Duration::from_secs(30);

/// The log group of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGroup {
    /// The name of the function in the contract.
    pub function: String,
    /// The name of its log group.
    pub group: String,
}

/// A log record of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogRecord {
    /// When it was written, in milliseconds since 1970.
    pub time_millis: i64,
    /// The name of the function in the contract.
    pub function: String,
    /// The record: JSON, or a line of the Lambda runtime.
    pub text: String,
}

/// Reads the records of some functions, each record once.
#[derive(Debug)]
pub struct LogReader {
    client: aws_sdk_cloudwatchlogs::Client,
    groups: Vec<LogGroup>,
    pattern: String,
    from_millis: i64,
    /// The ids of the records that were read and may be read again, with their times.
    seen: BTreeMap<String, i64>,
}

impl LogReader {
    /// A reader of the records since `from_millis`, in milliseconds since 1970, that contain all `terms`, which are ids.
    pub fn new(
        config: &SdkConfig,
        groups: Vec<LogGroup>,
        terms: &[String],
        from_millis: i64,
    ) -> Self {
        // A term in quotes is a text that the record contains. Ids have no quotes.
        let terms = terms
            .iter()
            .map(|term| format!("\"{}\"", term.replace(['"', '\\'], "")));
        let terms: Vec<_> = terms.collect();
        Self {
            client: aws_sdk_cloudwatchlogs::Client::new(config),
            groups,
            pattern: terms.join(" "),
            from_millis,
            seen: BTreeMap::new(),
        }
    }

    /// The records that were not read before, in the order of time.
    pub async fn next(&mut self) -> Result<Vec<LogRecord>, OperatorError> {
        let groups = self.groups.iter().map(|group| self.read(group));
        let read = try_join_all(groups).await?;
        let mut records = Vec::new();
        for (id, record) in read.into_iter().flatten() {
            if self.seen.insert(id, record.time_millis).is_none() {
                records.push(record);
            }
        }
        // Records of one function and one millisecond stay in CloudWatch's order.
        records.sort_by_key(|record| record.time_millis);
        if let Some(newest) = self.seen.values().max() {
            let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or(i64::MAX);
            self.from_millis = self.from_millis.max(newest.saturating_sub(overlap));
            let from = self.from_millis;
            self.seen.retain(|_, time| *time >= from);
        }
        Ok(records)
    }

    async fn read(&self, group: &LogGroup) -> Result<Vec<(String, LogRecord)>, OperatorError> {
        let request = self.client.filter_log_events();
        let request = request.log_group_name(&group.group);
        let mut pages = request
            .start_time(self.from_millis)
            .set_filter_pattern(Some(self.pattern.clone()).filter(|it| !it.is_empty()))
            .into_paginator()
            .send();
        let mut records = Vec::new();
        while let Some(page) = pages.next().await {
            let operation = format!("reading the log group {}", group.group);
            let page = page.map_err(call_failed!(operation))?;
            for event in page.events.unwrap_or_default() {
                let record = LogRecord {
                    time_millis: event.timestamp.unwrap_or_default(),
                    function: group.function.clone(),
                    text: event.message.unwrap_or_default().trim_end().to_owned(),
                };
                // The ids of two groups may be equal.
                let id = event.event_id.unwrap_or_default();
                records.push((format!("{} {id}", group.function), record));
            }
        }
        Ok(records)
    }
}
