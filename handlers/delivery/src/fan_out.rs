//! Audiences too wide for one invocation: parts of them go back to the queue, to be served side by
//! side. An invocation either splits an audience or serves it, so that a failure while it serves
//! never sends a whole audience through the queue again.

use contract::queues::{DeliveryQueue, DeliveryTask, Recipients};
use handlers_core::models::Subscriber;

use crate::handler::{DeliveryError, Handler};

/// Connections that one invocation serves.
const CHUNK_SIZE: usize = 500;
/// Subscribers that one invocation reads to split them; who comes after them is split by the next.
const SPLIT_PAGE_SIZE: usize = 10 * CHUNK_SIZE;

/// What became of an audience.
pub(crate) enum FanOut {
    /// This invocation can serve it.
    Small(Vec<Subscriber>),
    /// Its parts are on the queue.
    Queued,
}

impl Handler {
    /// Those who watch the job, from the connection after `after` on; or, when they are too many,
    /// pointers for parts of them on the queue.
    pub(crate) async fn fan_out(
        &self,
        pointer: &DeliveryTask,
        after: Option<&str>,
    ) -> Result<FanOut, DeliveryError> {
        let page = self
            .subscriptions
            .page(&pointer.job_id, after, SPLIT_PAGE_SIZE)
            .await?;
        if page.subscribers.len() <= CHUNK_SIZE {
            return Ok(FanOut::Small(page.subscribers));
        }
        let part = |audience| DeliveryTask {
            audience,
            renewed: false,
            ..pointer.clone()
        };
        // The rest first: its splitting is what the last of the audience wait for.
        let rest = page.more_after.map(Recipients::SubscribersAfter);
        let chunks = page.subscribers.chunks(CHUNK_SIZE).map(|chunk| {
            let id = |subscriber: &Subscriber| subscriber.connection_id.clone();
            Recipients::Connections(chunk.iter().map(id).collect())
        });
        let parts: Vec<_> = rest.into_iter().chain(chunks).map(part).collect();
        self.queues.send_all::<DeliveryQueue>(&parts, 0).await?;
        Ok(FanOut::Queued)
    }
}
