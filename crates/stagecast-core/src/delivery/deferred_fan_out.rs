//! Queues delivery tasks for the subscribers that a publisher does not post to directly.

use std::{sync::Arc, time::Duration};

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, Recipients},
};
use tokio::time::Instant;
use typed_contract::{
    functions::Function,
    grants::{Granted, SendMessage},
};

use super::Stores;
use crate::retry::RetryPolicy;

/// Shortest time between two progress updates for subscribers beyond those posted to directly.
const WIDE_INTERVAL: Duration = Duration::from_secs(2);

/// The delivery tasks of one job's publisher, for the subscribers of the job or for those of the feed of its owner.
#[derive(Debug)]
pub(super) struct DeferredFanOut<F> {
    stores: Arc<Stores<F>>,
    job_id: JobId,
    /// The recipients after a connection id.
    after: fn(String) -> Recipients,
    /// Messages for one later task: two tasks for consecutive messages could be delivered out of order.
    pending: Option<PendingRange>,
    /// The `after_seq` of the first task for durable messages that could not be queued.
    failed_from_seq: Option<u64>,
    /// When a task for progress was last queued.
    progress_queued_at: Option<Instant>,
}

/// Published messages that have to be sent to the subscribers after a connection id.
#[derive(Debug)]
struct PendingRange {
    beyond: String,
    after_seq: u64,
    through_seq: u64,
}

impl<F: Function + Granted<SendMessage<DeliveryQueue>>> DeferredFanOut<F> {
    /// The tasks for the subscribers of the job.
    pub(super) fn new(stores: Arc<Stores<F>>, job_id: JobId) -> Self {
        Self::to(stores, job_id, Recipients::SubscribersAfter)
    }

    /// The tasks for the subscribers of the feed of the job's owner.
    pub(super) fn of_feed(stores: Arc<Stores<F>>, job_id: JobId) -> Self {
        Self::to(stores, job_id, |after| Recipients::OwnerSubscribers {
            after: Some(after),
        })
    }

    fn to(stores: Arc<Stores<F>>, job_id: JobId, after: fn(String) -> Recipients) -> Self {
        Self {
            stores,
            job_id,
            after,
            pending: None,
            failed_from_seq: None,
            progress_queued_at: None,
        }
    }

    /// Records that `seq` was published. [`Self::send`] queues a task that sends it to the subscribers after
    /// the connection `beyond`.
    pub(super) async fn published(&mut self, beyond: &str, seq: u64) {
        // The boundary has changed: each message goes to the subscribers after its own boundary.
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.beyond != beyond)
        {
            self.send().await;
        }
        let pending = self.pending.get_or_insert_with(|| PendingRange {
            beyond: beyond.to_owned(),
            after_seq: seq.saturating_sub(1),
            through_seq: seq,
        });
        pending.through_seq = seq;
    }

    /// Queues the task for the published messages that are pending.
    pub(super) async fn send(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.queue(DeliveryTask {
                job_id: self.job_id.clone(),
                audience: (self.after)(pending.beyond),
                content: DeliveryKind::Published,
                after_seq: pending.after_seq,
                through_seq: Some(pending.through_seq),
                renewed: false,
            })
            .await;
        }
    }

    /// Queues a task that sends the current progress to the subscribers after the connection `beyond`, at
    /// most every [`WIDE_INTERVAL`]. `seq` is the last durable message.
    pub(super) async fn progress(&mut self, beyond: &str, seq: u64) {
        let is_too_early = self
            .progress_queued_at
            .is_some_and(|queued_at| queued_at.elapsed() < WIDE_INTERVAL);
        if is_too_early {
            return;
        }
        self.queue(DeliveryTask {
            job_id: self.job_id.clone(),
            audience: (self.after)(beyond.to_owned()),
            content: DeliveryKind::Progress,
            after_seq: seq,
            through_seq: None,
            renewed: false,
        })
        .await;
        self.progress_queued_at = Some(Instant::now());
    }

    /// Queues a task that sends the published message `seq` to all subscribers, whose lists the publisher
    /// could not read.
    pub(super) async fn published_to_unknown(&mut self, seq: u64) {
        self.send().await;
        self.queue(DeliveryTask {
            job_id: self.job_id.clone(),
            audience: Recipients::AllSubscribers,
            content: DeliveryKind::Published,
            after_seq: seq.saturating_sub(1),
            through_seq: Some(seq),
            renewed: false,
        })
        .await;
    }

    /// Queues a task that sends the log after `after_seq`, through `through_seq`, to these recipients.
    pub(super) async fn log(&mut self, audience: Recipients, after_seq: u64, through_seq: u64) {
        let task = DeliveryTask::log(self.job_id.clone(), audience, after_seq);
        self.queue(task.through(through_seq)).await;
    }

    /// Queues the log from the first message on whose delivery task the queue did not take, with
    /// retries. A task that fails again is kept for the next call.
    pub(super) async fn retry_failed(&mut self) {
        let Some(after_seq) = self.failed_from_seq.take() else {
            return;
        };
        let task = DeliveryTask::log(self.job_id.clone(), Recipients::AllSubscribers, after_seq);
        if let Err(error) = queue_with_retry(&self.stores.queues, &task).await {
            self.failed(&task, &error);
        }
    }

    async fn queue(&mut self, task: DeliveryTask) {
        if let Err(error) = self.stores.queues.send::<DeliveryQueue>(&task, 0).await {
            self.failed(&task, &error);
        }
    }

    fn failed(&mut self, task: &DeliveryTask, error: &SendError) {
        tracing::error!(
            job_id = %self.job_id,
            content = ?task.content,
            after_seq = task.after_seq,
            %error,
            "a delivery task could not be queued; a task for durable messages is queued again when \
             the run or the request ends, and clients find the messages in the log when they resume",
        );
        if task.content != DeliveryKind::Progress {
            let failed_from_seq = self.failed_from_seq.get_or_insert(task.after_seq);
            *failed_from_seq = task.after_seq.min(*failed_from_seq);
        }
    }
}

/// Queues a delivery task that no other process knows of, with retries.
pub(super) async fn queue_with_retry<F>(
    queues: &Queues<F>,
    task: &DeliveryTask,
) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    RetryPolicy::DELIVERY_TASK
        .run(|| queues.send::<DeliveryQueue>(task, 0), |_| true)
        .await
}
