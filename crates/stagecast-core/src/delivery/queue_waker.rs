//! Notifies workers that listen to a queue that one of its jobs can be claimed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use granted_aws::{ConnectionsApi, PostError};
use stagecast_contract::{
    messages::{JobAvailable, ServerMessage},
    tables::WorkQueues,
    timestamp::Timestamp,
    worker_queues::QueueName,
};
use typed_contract::{
    environment::WebSocketApi,
    functions::Function,
    grants::{DeleteItem, Granted, PostToConnection, Query, UpdateItem},
};

use super::{Delivery, Destination, account_throttle::AccountThrottle, deliver};
use crate::{
    clock::Clock,
    models::QueueListener,
    retry::RetryPolicy,
    stores::{QueueListenerStore, StoreError},
};

/// Workers that are notified of one job. Two, so that the job does not wait for the next poll if one of them
/// stops before it claims.
pub const WAKE_COUNT: usize = 2;

/// Listeners that are read for one job: other jobs may disarm some of them first.
const MAX_CANDIDATES: usize = 10;

/// Maximum number of listeners to which one job is posted, those that are gone included.
const MAX_POSTS: usize = 5;

/// Longest time that a wake-up adds to the request that made the job claimable.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A post that fails is retried once.
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    attempts: 2,
    total: Duration::from_secs(1),
    first_wait: Duration::from_millis(200),
    longest_wait: Duration::from_millis(200),
};

/// The grants of a function that notifies workers.
pub trait WakesWorkers:
    Function
    + Granted<Query<WorkQueues>>
    + Granted<UpdateItem<WorkQueues>>
    + Granted<DeleteItem<WorkQueues>>
    + Granted<PostToConnection<WebSocketApi>>
{
}

impl<F> WakesWorkers for F where
    F: Function
        + Granted<Query<WorkQueues>>
        + Granted<UpdateItem<WorkQueues>>
        + Granted<DeleteItem<WorkQueues>>
        + Granted<PostToConnection<WebSocketApi>>
{
}

/// Notifies workers that listen to a queue.
#[derive(Debug)]
pub struct QueueWaker<F> {
    listeners: QueueListenerStore<F>,
    api: ConnectionsApi<F>,
    throttle: Arc<AccountThrottle>,
    clock: Clock,
}

impl<F> Clone for QueueWaker<F> {
    fn clone(&self) -> Self {
        Self {
            listeners: self.listeners.clone(),
            api: self.api.clone(),
            throttle: Arc::clone(&self.throttle),
            clock: self.clock.clone(),
        }
    }
}

impl<F: WakesWorkers> QueueWaker<F> {
    /// A waker of the workers whose listeners are in this store.
    pub fn new(listeners: QueueListenerStore<F>, api: ConnectionsApi<F>, clock: Clock) -> Self {
        Self {
            listeners,
            api,
            throttle: Arc::default(),
            clock,
        }
    }

    /// Notifies up to [`WAKE_COUNT`] armed listeners of the queue, after one of its jobs has become claimable.
    /// Disarms each of them first, so that no other job notifies it. Without an armed listener, this is one read.
    ///
    /// A failure is logged and is no error: the job can be claimed, and workers also poll.
    pub async fn wake(&self, queue: &QueueName) {
        self.wake_up_to(WAKE_COUNT, queue).await;
    }

    /// Notifies one armed listener, instead of a worker that may have been notified and has another job.
    pub async fn pass_on(&self, queue: &QueueName) {
        self.wake_up_to(1, queue).await;
    }

    async fn wake_up_to(&self, count: usize, queue: &QueueName) {
        let woken = tokio::time::timeout(TIMEOUT, self.notify(count, queue)).await;
        match woken {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, %queue, "the queue's workers could not be notified; they poll");
            }
            Err(_) => {
                tracing::warn!(%queue, "the queue's workers were not notified in time; they poll");
            }
        }
    }

    async fn notify(&self, count: usize, queue: &QueueName) -> Result<(), StoreError> {
        let armed = self.listeners.armed(queue, MAX_CANDIDATES).await?;
        if armed.is_empty() {
            return Ok(());
        }
        let message = ServerMessage::JobAvailable(JobAvailable {
            queue: queue.clone(),
            timestamp: self.clock.now(),
        });
        let candidates = Candidates::new(armed);
        let message = Bytes::from(message.to_json());
        let notified = join_all((0..count).map(|_| self.notify_one(&candidates, &message)));
        notified.await.into_iter().collect()
    }

    /// Notifies the first of the candidates whose post succeeds.
    async fn notify_one(&self, candidates: &Candidates, message: &Bytes) -> Result<(), StoreError> {
        while let Some(listener) = candidates.next() {
            let (queue, connection_id) = (&listener.queue, &listener.connection_id);
            if !self.listeners.disarm(queue, connection_id).await? {
                // Another job has notified it.
                candidates.give_back();
                continue;
            }
            match self.post(connection_id, message).await {
                Delivery::Sent { .. } | Delivery::Superseded => return Ok(()),
                Delivery::Gone => self.listeners.delete(queue, connection_id).await?,
                Delivery::Spent { attempts, cause } => {
                    tracing::warn!(attempts, %cause, connection_id, %queue, "a worker was not notified");
                }
                Delivery::Refused(cause) => {
                    tracing::error!(%cause, connection_id, %queue, "a notification was refused");
                    // The next post would be refused for the same cause.
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn post(&self, connection_id: &str, message: &Bytes) -> Delivery {
        self.throttle.wait().await;
        let destination = Destination {
            connection_id: connection_id.to_owned(),
            // The client has sent a message, so its handshake is over: it is gone if the post says so.
            connected_at: Timestamp::from_epoch_seconds(0),
        };
        let delivery = deliver(
            &self.api,
            &destination,
            message,
            &RETRY_POLICY,
            &self.clock,
            || false,
        )
        .await;
        match &delivery {
            Delivery::Sent { .. } => self.throttle.succeeded(),
            Delivery::Spent {
                cause: PostError::Throttled,
                ..
            } => self.throttle.throttled(connection_id),
            _ => {}
        }
        delivery
    }
}

/// The listeners that one job may notify.
struct Candidates(Mutex<Remaining>);

struct Remaining {
    listeners: std::vec::IntoIter<QueueListener>,
    posts: usize,
}

impl Candidates {
    fn new(listeners: Vec<QueueListener>) -> Self {
        Self(Mutex::new(Remaining {
            listeners: listeners.into_iter(),
            posts: MAX_POSTS,
        }))
    }

    /// The next listener, if one more post is allowed.
    fn next(&self) -> Option<QueueListener> {
        let mut remaining = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let posts = remaining.posts.checked_sub(1)?;
        let listener = remaining.listeners.next()?;
        remaining.posts = posts;
        Some(listener)
    }

    /// The listener that was returned was not posted to.
    fn give_back(&self) {
        let mut remaining = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remaining.posts += 1;
    }
}
