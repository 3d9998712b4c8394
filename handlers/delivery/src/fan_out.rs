//! Audiences too wide for one invocation: parts of them go back to the queue, to be served side by
//! side. An invocation either splits an audience or serves it, so that a failure while it serves
//! never sends a whole audience through the queue again.

use contract::queues::{DeliveryQueue, DeliveryTask, Recipients};
use handlers_core::{models::Subscriber, stores::Page};

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
        let Some(parts) = parts(pointer, &page) else {
            return Ok(FanOut::Small(page.subscribers));
        };
        self.queues.send_all::<DeliveryQueue>(&parts, 0).await?;
        Ok(FanOut::Queued)
    }
}

/// The tasks that the task for an audience is split into; none when one invocation can serve it.
fn parts(pointer: &DeliveryTask, page: &Page) -> Option<Vec<DeliveryTask>> {
    if page.subscribers.len() <= CHUNK_SIZE {
        return None;
    }
    let part = |audience| DeliveryTask {
        audience,
        renewed: false,
        ..pointer.clone()
    };
    // The rest first: its splitting is what the last of the audience wait for.
    let rest = page.more_after.clone().map(Recipients::SubscribersAfter);
    let chunks = page.subscribers.chunks(CHUNK_SIZE).map(|chunk| {
        let id = |subscriber: &Subscriber| subscriber.connection_id.clone();
        Recipients::Connections(chunk.iter().map(id).collect())
    });
    Some(rest.into_iter().chain(chunks).map(part).collect())
}

#[cfg(test)]
mod tests {
    use contract::{
        ids::{CorrelationId, JobId},
        queues::DeliveryKind,
        timestamp::Timestamp,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn page(length: usize, more_after: Option<&str>) -> Page {
        let subscriber = |number| Subscriber {
            job_id: JobId::new(NOW, [7; 8]),
            connection_id: format!("c{number}"),
            connected_at: NOW,
            subscribed_at: NOW,
            at_seq: 0,
            correlation_id: CorrelationId::new(NOW, [7; 8]),
            expires_at: NOW.epoch_seconds(),
        };
        Page {
            subscribers: (0..length).map(subscriber).collect(),
            more_after: more_after.map(str::to_owned),
        }
    }

    fn task() -> DeliveryTask {
        DeliveryTask {
            job_id: JobId::new(NOW, [7; 8]),
            audience: Recipients::AllSubscribers,
            content: DeliveryKind::Published,
            after_seq: 3,
            through_seq: Some(4),
            renewed: false,
        }
    }

    #[test]
    fn audience_of_one_invocation_is_not_split() {
        assert_eq!(parts(&task(), &page(0, None)), None);
        assert_eq!(parts(&task(), &page(CHUNK_SIZE, None)), None);
    }

    #[test]
    fn larger_audience_is_split_and_its_rest_comes_first() {
        let renewed = task().renew();
        let parts = parts(&renewed, &page(SPLIT_PAGE_SIZE, Some("last"))).expect("parts");
        assert_eq!(
            parts[0].audience,
            Recipients::SubscribersAfter("last".to_owned())
        );
        let mut ids = Vec::new();
        for part in &parts[1..] {
            match &part.audience {
                Recipients::Connections(part) if part.len() <= CHUNK_SIZE => ids.extend(part),
                other => panic!("{other:?}"),
            }
        }
        let expected: Vec<_> = (0..SPLIT_PAGE_SIZE).map(|it| format!("c{it}")).collect();
        assert!(ids.into_iter().eq(&expected), "each connection once");
        for part in parts {
            let audience = Recipients::AllSubscribers;
            assert_eq!(DeliveryTask { audience, ..part }, task());
        }
    }
}
