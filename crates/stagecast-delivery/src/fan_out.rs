//! Splits a task with more recipients than one invocation can serve into several tasks, which run in
//! parallel. An invocation either splits a task or sends its messages; so a failure while it sends never
//! sends them to all subscribers again.

use std::collections::HashSet;

use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
};
use stagecast_core::{
    models::{FeedJob, Subscriber},
    stores::{Page, StoreError},
};

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

/// A list of subscribers that get the messages of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List<'a> {
    /// The subscribers of the job.
    Job(&'a JobId),
    /// The subscribers of the feed of its owner.
    Feed(&'a FeedJob),
}

/// Loads the subscribers in the lists whose connection id sorts after `after`, each connection once. If there are
/// too many for one invocation, queues tasks for parts of them instead.
///
/// A subscriber of the job whose token has expired gets the notice of that, and the message through the feed.
pub(crate) async fn fan_out(
    context: &Context,
    task: &DeliveryTask,
    [job, feed]: [Option<List<'_>>; 2],
    after: Option<&str>,
) -> Result<FanOut, DeliveryError> {
    let own = page(context, job, after).await?;
    let mut feed = page(context, feed, after).await?;
    if !feed.subscribers.is_empty() {
        let now = context.clock.now();
        let own = own.subscribers.iter();
        let known = own.filter(|it| it.expired_token(now).is_none());
        let known: HashSet<_> = known.map(|it| &it.connection_id).collect();
        let of_feed = &mut feed.subscribers;
        of_feed.retain(|it| !known.contains(&it.connection_id));
    }
    let Some(parts) = parts(task, &own, &feed) else {
        let all = own.subscribers.into_iter().chain(feed.subscribers);
        return Ok(FanOut::Small(all.collect()));
    };
    context.queues.send_all::<DeliveryQueue>(&parts, 0).await?;
    Ok(FanOut::Split)
}

async fn page(
    context: &Context,
    list: Option<List<'_>>,
    after: Option<&str>,
) -> Result<Page, StoreError> {
    let subscriptions = &context.subscriptions;
    match list {
        None => Ok(Page::default()),
        Some(List::Job(job_id)) => subscriptions.page(job_id, after, SPLIT_PAGE_SIZE).await,
        Some(List::Feed(job)) => subscriptions.feed_page(job, after, SPLIT_PAGE_SIZE).await,
    }
}

/// The tasks that a task is split into. None if one invocation can send to all subscribers of the pages: those of the
/// job, and those of the feed of its owner.
fn parts(task: &DeliveryTask, own: &Page, feed: &Page) -> Option<Vec<DeliveryTask>> {
    let is_complete = own.more_after.is_none() && feed.more_after.is_none();
    if is_complete && own.subscribers.len() + feed.subscribers.len() <= CHUNK_SIZE {
        return None;
    }
    let part = |audience| DeliveryTask {
        audience,
        renewed: false,
        ..task.clone()
    };
    // The tasks for the rest come first: they have to be split again, so their recipients wait longest.
    let rest = own.more_after.clone().map(Recipients::SubscribersAfter);
    let rest_of_feed = feed.more_after.clone().map(|after| {
        let after = Some(after);
        Recipients::OwnerSubscribers { after }
    });
    let rests = rest.into_iter().chain(rest_of_feed);
    let ids = |chunk: &[Subscriber]| chunk.iter().map(|it| it.connection_id.clone()).collect();
    let chunks = own.subscribers.chunks(CHUNK_SIZE);
    let chunks = chunks.map(|chunk| Recipients::Connections(ids(chunk)));
    let of_feed = feed.subscribers.chunks(CHUNK_SIZE);
    let of_feed = of_feed.map(|chunk| Recipients::OwnerConnections(ids(chunk)));
    Some(rests.chain(chunks).chain(of_feed).map(part).collect())
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{ids::CorrelationId, queues::DeliveryKind, timestamp::Timestamp};

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
            feed: None,
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
        let none = Page::default();
        assert_eq!(parts(&task(), &none, &none), None);
        assert_eq!(parts(&task(), &page(CHUNK_SIZE, None), &none), None);
        assert_eq!(parts(&task(), &page(100, None), &page(400, None)), None);
    }

    #[test]
    fn larger_task_is_split_and_its_rest_comes_first() {
        let renewed = task().renew();
        let parts = parts(
            &renewed,
            &page(SPLIT_PAGE_SIZE, Some("last")),
            &Page::default(),
        )
        .expect("parts");
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

    #[test]
    fn feed_of_the_owner_is_split_into_its_own_tasks() {
        let parts = parts(&task(), &page(1, None), &page(CHUNK_SIZE, None)).expect("parts");
        let sizes = parts.iter().map(|part| match &part.audience {
            Recipients::Connections(ids) => (false, ids.len()),
            Recipients::OwnerConnections(ids) => (true, ids.len()),
            other => panic!("{other:?}"),
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [(false, 1), (true, CHUNK_SIZE)]);
    }
}
