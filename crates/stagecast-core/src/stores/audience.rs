//! The subscribers of a job, and of the feed of its owner, read in pages in the order of their connection ids.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use granted_aws::{Item, text};
use stagecast_contract::{ids::JobId, tables::Subscribers};
use typed_contract::{
    functions::Function,
    grants::{Granted, Query},
};

use super::{StoreError, SubscriptionStore, error::all_items};
use crate::models::{FeedJob, FeedSubscriber, InvalidItem, Subscriber};

const OPERATION: &str = "reading the subscribers of a job";

/// A page of a job's subscribers.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The subscribers in the order of their connection ids.
    pub subscribers: Vec<Subscriber>,
    /// The connection id of the last of them, if others follow.
    pub more_after: Option<String>,
}

impl<F: Function> SubscriptionStore<F> {
    /// At most `limit` subscribers of the job, by a consistent read: the first of them, or those after the
    /// connection id `after`.
    pub async fn page(
        &self,
        job_id: &JobId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let subscriber = |item| Ok(Some(Subscriber::from_dynamodb_item(item)?));
        self.page_of(job_id.as_str(), after, limit, subscriber)
            .await
    }

    /// As [`Self::page`], of the subscribers of the feed of the job's owner that get the messages of this job.
    pub async fn feed_page(
        &self,
        job: &FeedJob,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let subscriber = |item| Ok(FeedSubscriber::from_dynamodb_item(item)?.of_job(job));
        self.page_of(job.key(), after, limit, subscriber).await
    }

    async fn page_of(
        &self,
        key: &str,
        after: Option<&str>,
        limit: usize,
        subscriber: impl Fn(Item) -> Result<Option<Subscriber>, InvalidItem>,
    ) -> Result<Page, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let query = self.subscribers_of(key);
        let query = match after {
            None => query.key_condition_expression("job_id = :job_id"),
            Some(after) => query
                .key_condition_expression("job_id = :job_id AND connection_id > :after")
                .expression_attribute_values(":after", text(after)),
        };
        // One more than the limit shows whether others follow.
        let most = i32::try_from(limit + 1).unwrap_or(i32::MAX);
        let mut items = query
            .consistent_read(true)
            .limit(most)
            .into_paginator()
            .items()
            .send();
        let now = self.clock.now();
        let mut page = Page::default();
        while let Some(item) = items.try_next().await.map_err(StoreError::of(OPERATION))? {
            let Some(subscriber) = subscriber(item)?.filter(|it| it.is_live(now)) else {
                continue;
            };
            if page.subscribers.len() == limit {
                let last = page.subscribers.last();
                page.more_after = last.map(|subscriber| subscriber.connection_id.clone());
                break;
            }
            page.subscribers.push(subscriber);
        }
        Ok(page)
    }

    /// Those of `connections` that are subscribed to the job. The range from the first id to the last is
    /// read, so the ids should be close to each other.
    pub async fn among(
        &self,
        job_id: &JobId,
        connections: &[String],
    ) -> Result<Vec<Subscriber>, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let subscriber = |item| Ok(Some(Subscriber::from_dynamodb_item(item)?));
        self.among_of(job_id.as_str(), connections, subscriber)
            .await
    }

    /// As [`Self::among`], of the subscribers of the feed of the job's owner that get the messages of this job.
    pub async fn feed_among(
        &self,
        job: &FeedJob,
        connections: &[String],
    ) -> Result<Vec<Subscriber>, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let subscriber = |item| Ok(FeedSubscriber::from_dynamodb_item(item)?.of_job(job));
        self.among_of(job.key(), connections, subscriber).await
    }

    async fn among_of(
        &self,
        key: &str,
        connections: &[String],
        subscriber: impl Fn(Item) -> Result<Option<Subscriber>, InvalidItem>,
    ) -> Result<Vec<Subscriber>, StoreError>
    where
        F: Granted<Query<Subscribers>>,
    {
        let (Some(first), Some(last)) = (connections.iter().min(), connections.iter().max()) else {
            return Ok(Vec::new());
        };
        let query = self
            .subscribers_of(key)
            .key_condition_expression("job_id = :job_id AND connection_id BETWEEN :first AND :last")
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(last));
        let now = self.clock.now();
        let mut subscribers = Vec::new();
        for item in all_items(OPERATION, query).await? {
            let found = subscriber(item)?.filter(|it| it.is_live(now));
            subscribers.extend(found.filter(|it| connections.contains(&it.connection_id)));
        }
        Ok(subscribers)
    }

    fn subscribers_of(&self, key: &str) -> QueryFluentBuilder
    where
        F: Granted<Query<Subscribers>>,
    {
        self.database
            .query::<Subscribers>()
            .expression_attribute_values(":job_id", text(key))
    }
}
