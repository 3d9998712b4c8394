//! Splits a task with more recipients than one invocation can serve into several tasks, which run in
//! parallel. An invocation either splits a task or sends its messages; so a failure while it sends never
//! sends them to all subscribers again.

use stagecast_contract::queues::{DeliveryQueue, DeliveryTask, Recipients};
use stagecast_core::{models::Subscriber, stores::Page};

use crate::{context::Context, error::DeliveryError};

/// Maximum number of connections that one invocation sends to.
const CHUNK_SIZE: usize = 500;
/// Maximum number of subscribers that one invocation reads to split a task. The next task splits the
/// rest.
const SPLIT_PAGE_SIZE: usize = 10 * CHUNK_SIZE;

/// The recipients of a task.
pub(crate) enum FanOut {
    /// This invocation can send to them.
    Small(Vec<Subscriber>),
    /// There are too many; tasks for parts of them are on the queue.
    Split,
}

/// Loads the subscribers of the job whose connection id sorts after `after`. If there are too many for
/// one invocation, queues tasks for parts of them instead.
pub(crate) async fn fan_out(
    context: &Context,
    task: &DeliveryTask,
    after: Option<&str>,
) -> Result<FanOut, DeliveryError> {
    let page = context
        .subscriptions
        .page(&task.job_id, after, SPLIT_PAGE_SIZE)
        .await?;
    let Some(parts) = parts(task, &page) else {
        return Ok(FanOut::Small(page.subscribers));
    };
    context.queues.send_all::<DeliveryQueue>(&parts, 0).await?;
    Ok(FanOut::Split)
}

/// The tasks that a task is split into. None if one invocation can send to all subscribers of `page`.
fn parts(task: &DeliveryTask, page: &Page) -> Option<Vec<DeliveryTask>> {
    if page.subscribers.len() <= CHUNK_SIZE {
        return None;
    }
    let part = |audience| DeliveryTask {
        audience,
        renewed: false,
        ..task.clone()
    };
    // The task for the rest comes first: it has to be split again, so its recipients wait longest.
    let rest = page.more_after.clone().map(Recipients::SubscribersAfter);
    let chunks = page.subscribers.chunks(CHUNK_SIZE).map(|chunk| {
        let id = |subscriber: &Subscriber| subscriber.connection_id.clone();
        Recipients::Connections(chunk.iter().map(id).collect())
    });
    Some(rest.into_iter().chain(chunks).map(part).collect())
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
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
            token: None,
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
    fn task_for_one_invocation_is_not_split() {
        assert_eq!(parts(&task(), &page(0, None)), None);
        assert_eq!(parts(&task(), &page(CHUNK_SIZE, None)), None);
    }

    #[test]
    fn larger_task_is_split_and_its_rest_comes_first() {
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
