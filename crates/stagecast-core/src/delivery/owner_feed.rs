//! The subscribers of the feed of a job's owner, as a publisher of the job posts to them.
//!
//! A subscription to the feed writes no item of a job, so no version shows that the list has changed. The publisher reads the
//! list after the commit of each durable message: a client that has subscribed before it lists the jobs gets every message
//! that its list does not have (ADR 0084).

use std::{collections::HashSet, sync::Arc, time::Duration};

use stagecast_contract::{
    limits::MAX_DIRECT_SUBSCRIBERS,
    queues::{DeliveryQueue, Recipients},
    tables::Subscribers,
};
use tokio::time::Instant;
use typed_contract::{
    functions::Function,
    grants::{Granted, Query, SendMessage},
};

use super::{Stores, Unfinished, deferred_fan_out::DeferredFanOut};
use crate::{
    models::{FeedJob, Job, Subscriber},
    stores::StoreError,
};

/// Shortest time between two progress updates of a job in the feed of its owner, who may have many running jobs.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// The feed of a job's owner. Empty, and without requests, for a job without an owner.
#[derive(Debug)]
pub(super) struct OwnerFeed<F> {
    stores: Arc<Stores<F>>,
    job: Option<FeedJob>,
    /// The subscribers that the publisher posts to directly.
    direct: Vec<Subscriber>,
    /// The connection id of the last of them, if others follow: the delivery function posts to those.
    more_after: Option<String>,
    /// When the list was last read for progress.
    progress_at: Option<Instant>,
    deferred: DeferredFanOut<F>,
}

impl<F> OwnerFeed<F>
where
    F: Function + Granted<Query<Subscribers>> + Granted<SendMessage<DeliveryQueue>>,
{
    pub(super) fn new(stores: Arc<Stores<F>>, job: &Job) -> Self {
        Self {
            job: FeedJob::of(job),
            direct: Vec::new(),
            more_after: None,
            progress_at: None,
            deferred: DeferredFanOut::of_feed(Arc::clone(&stores), job.job_id.clone()),
            stores,
        }
    }

    /// Reads the list, by a consistent read after the write of the message that is sent next. Returns whether there is
    /// a list.
    pub(super) async fn read(&mut self) -> Result<bool, StoreError> {
        let Some(job) = &self.job else {
            return Ok(false);
        };
        let subscriptions = &self.stores.subscriptions;
        let page = subscriptions.feed_page(job, None, MAX_DIRECT_SUBSCRIBERS);
        let page = page.await?;
        self.direct = page.subscribers;
        self.more_after = page.more_after;
        Ok(true)
    }

    /// Whether progress is sent to the feed now. Then the next progress is sent after [`PROGRESS_INTERVAL`].
    pub(super) fn is_progress_due(&mut self) -> bool {
        let is_due = self.job.is_some()
            && self
                .progress_at
                .is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL);
        if is_due {
            self.progress_at = Some(Instant::now());
        }
        is_due
    }

    /// The subscribers in the list that was read last.
    pub(super) fn direct(&self) -> &[Subscriber] {
        &self.direct
    }

    /// Those that are not among `others`, the subscribers of the job whose token is valid: a connection that is subscribed to
    /// both gets each message once.
    pub(super) fn beside<'a>(
        &'a self,
        others: &'a [Subscriber],
    ) -> impl Iterator<Item = &'a Subscriber> {
        let now = self.stores.clock.now();
        let valid = others.iter().filter(|it| it.expired_token(now).is_none());
        let ids: HashSet<_> = valid.map(|it| &it.connection_id).collect();
        let direct = self.direct.iter();
        direct.filter(move |it| !ids.contains(&it.connection_id))
    }

    /// Records that `seq` was published. [`Self::send`] queues a task for the subscribers beyond the direct ones.
    pub(super) async fn published(&mut self, seq: u64) {
        if let Some(beyond) = &self.more_after {
            self.deferred.published(beyond, seq).await;
        }
    }

    /// Queues a task for the current progress, if there are subscribers beyond the direct ones.
    pub(super) async fn progress(&mut self, seq: u64) {
        if let Some(beyond) = &self.more_after {
            self.deferred.progress(beyond, seq).await;
        }
    }

    /// As [`DeferredFanOut::send`].
    pub(super) async fn send(&mut self) {
        self.deferred.send().await;
    }

    /// As [`DeferredFanOut::retry_failed`].
    pub(super) async fn retry_failed(&mut self) {
        self.deferred.retry_failed().await;
    }

    /// The recipients of tasks for unfinished connections, of which `others` are subscribers of the job. Each list of
    /// the table is read as one range.
    pub(super) fn recipients(
        &self,
        unfinished: Vec<Unfinished>,
        others: &[Subscriber],
    ) -> Vec<Recipients> {
        let of_feed: HashSet<_> = self.beside(others).map(|it| &it.connection_id).collect();
        let ids = unfinished.into_iter().map(|it| it.connection_id);
        let (feed, others): (Vec<_>, Vec<_>) = ids.partition(|id| of_feed.contains(id));
        let lists = [
            (others, Recipients::Connections as fn(_) -> _),
            (feed, Recipients::OwnerConnections),
        ];
        let lists = lists.into_iter().filter(|(ids, _)| !ids.is_empty());
        lists.map(|(ids, recipients)| recipients(ids)).collect()
    }
}
