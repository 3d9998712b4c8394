//! Sends the messages of a task to its recipients.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use granted_aws::AudienceApi;
use stagecast_contract::{
    functions::DeliveryFunction,
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, MAX_DELIVERY_ATTEMPTS, Recipients},
};
use stagecast_core::{
    delivery::{Outgoing, Sender, Unfinished},
    metrics,
    models::{FeedJob, Job, Subscriber},
    retry::RetryPolicy,
    stores::StoreError,
};
use typed_contract::functions::Function as _;

use crate::{
    attempts::Attempt,
    context::Context,
    error::DeliveryError,
    fan_out::{FanOut, List, fan_out},
    undelivered::Undelivered,
};

/// Delay of a task for a connection that failed while others of its task succeeded.
const RETRY_DELAY_SECONDS: i32 = 5;
/// Maximum time for sending the messages of one task. The rest of the function's timeout is for reading
/// the recipients and for queueing what was not sent.
const SENDING: Duration =
    Duration::from_secs(DeliveryFunction::SPEC.timeout_seconds as u64 * 2 / 3);

/// Executes a task if it has attempts left. `outgoing` is the message of a task whose messages are not in the log.
pub(crate) async fn execute(
    context: &Context,
    task: DeliveryTask,
    job: &Job,
    outgoing: Option<Outgoing>,
    receive_count: u32,
) -> Result<(), DeliveryError> {
    let attempt = Attempt::of(&task, receive_count);
    match attempt {
        Attempt::Retryable | Attempt::Last => {}
        Attempt::Requeue => {
            tracing::warn!(
                receive_count,
                "a delivery was received often and never finished; its attempts start again",
            );
            let renewed = task.renew();
            return Ok(context.queues.send::<DeliveryQueue>(&renewed, 0).await?);
        }
        Attempt::Exhausted => return Err(DeliveryError::AttemptsExhausted),
    }
    match deliver(context, &task, job, outgoing).await {
        Err(DeliveryError::Unreachable(connection_id)) if attempt == Attempt::Last => {
            tracing::error!(
                connection_id,
                content = ?task.content,
                after_seq = task.after_seq,
                through_seq = task.through_seq,
                "a delivery is given up after {MAX_DELIVERY_ATTEMPTS} attempts; the client finds \
                 its messages in the log when it resumes with after_seq",
            );
            metrics::given_up::<DeliveryFunction>(&context.clock, task.job_id.as_str());
            Ok(())
        }
        result => result,
    }
}

/// Sends the messages of a task to its recipients. Splits a task with too many recipients into several
/// tasks instead.
async fn deliver(
    context: &Context,
    task: &DeliveryTask,
    job: &Job,
    outgoing: Option<Outgoing>,
) -> Result<(), DeliveryError> {
    let Some(subscribers) = recipients(context, task, job).await? else {
        return Ok(());
    };
    let undelivered = Undelivered::new(Arc::clone(&context.connection_maintainer));
    let sender = Sender::new(
        context.api.for_audiences(),
        undelivered.clone(),
        RetryPolicy::post::<DeliveryFunction>(),
        context.clock.clone(),
    );
    if let Some(outgoing) = outgoing {
        for subscriber in &subscribers {
            sender.send(subscriber, outgoing.clone());
        }
    } else {
        send_log(context, task, job, &subscribers, &sender).await?;
    }
    let (stats, unfinished) = sender.flush_within(SENDING).await;
    let job_id = task.job_id.as_str();
    metrics::delivered::<DeliveryFunction>(&context.clock, job_id, subscribers.len(), &stats);
    let mut last_seqs = undelivered.take();
    if task.content != DeliveryKind::Progress {
        for Unfinished {
            connection_id,
            sent_seq,
        } in unfinished
        {
            let sent_seq = sent_seq.unwrap_or(0).max(task.after_seq);
            let last_seq = last_seqs.entry(connection_id).or_insert(sent_seq);
            *last_seq = sent_seq.min(*last_seq);
        }
    }
    queue_undelivered(context, task, subscribers.len(), last_seqs).await
}

/// The recipients that are still subscribed; none if the task was split.
async fn recipients(
    context: &Context,
    task: &DeliveryTask,
    job: &Job,
) -> Result<Option<Vec<Subscriber>>, DeliveryError> {
    let feed = FeedJob::of(job);
    let fanned_out = match &task.audience {
        Recipients::Connections(ids) => return Ok(Some(among(context, job, feed, ids).await?)),
        Recipients::OwnerConnections(ids) => {
            return Ok(Some(match feed {
                Some(feed) => context.subscriptions.feed_among(&feed, ids).await?,
                None => Vec::new(),
            }));
        }
        Recipients::AllSubscribers => {
            let lists = [Some(List::Job(&job.job_id)), feed.as_ref().map(List::Feed)];
            fan_out(context, task, lists, None).await?
        }
        Recipients::SubscribersAfter(after) => {
            let lists = [Some(List::Job(&job.job_id)), None];
            fan_out(context, task, lists, Some(after)).await?
        }
        Recipients::OwnerSubscribers { after } => {
            let lists = [None, feed.as_ref().map(List::Feed)];
            fan_out(context, task, lists, after.as_deref()).await?
        }
    };
    Ok(match fanned_out {
        FanOut::Small(subscribers) => Some(subscribers),
        FanOut::Split => None,
    })
}

/// Those of these connections that are subscribed to the job, or to the feed of its owner.
async fn among(
    context: &Context,
    job: &Job,
    feed: Option<FeedJob>,
    ids: &[String],
) -> Result<Vec<Subscriber>, StoreError> {
    let mut found = context.subscriptions.among(&job.job_id, ids).await?;
    if let Some(feed) = feed {
        let now = context.clock.now();
        let gets = |it: &Subscriber, id: &String| {
            it.connection_id == *id && it.expired_token(now).is_none()
        };
        let mut others = ids.to_vec();
        others.retain(|id| !found.iter().any(|it| gets(it, id)));
        found.extend(context.subscriptions.feed_among(&feed, &others).await?);
    }
    Ok(found)
}

/// Hands the durable messages of the task to the sender.
async fn send_log(
    context: &Context,
    task: &DeliveryTask,
    job: &Job,
    subscribers: &[Subscriber],
    sender: &Sender<AudienceApi<DeliveryFunction>, Undelivered>,
) -> Result<(), StoreError> {
    let is_published = task.content == DeliveryKind::Published;
    // Each published message has a task. If this one also sent the later messages, slow recipients
    // would receive them many times.
    let through = match task.through_seq {
        Some(through) => through,
        None if is_published => task.after_seq + 1,
        None => job.seq,
    };
    let last = job.seq.min(through);
    let events = &context.events;
    for event in events.between(&task.job_id, task.after_seq, last).await? {
        let message = Bytes::from(event.message);
        for subscriber in subscribers {
            if is_published && event.seq <= subscriber.at_seq {
                continue;
            }
            let outgoing = Outgoing::Durable {
                seq: event.seq,
                message: message.clone(),
            };
            sender.send(subscriber, outgoing);
        }
    }
    Ok(())
}

/// Queues what was not delivered. `last_seqs` has the connections that miss messages, with the last
/// `seq` that each has received.
///
/// A task with one recipient fails, so that the queue counts its attempts; if the recipient has received
/// a part, a new task for the rest replaces it, because a retry would send that part again. Of a task
/// with several recipients, each connection that failed gets a separate task, because a retry would
/// send the messages to all of them again.
async fn queue_undelivered(
    context: &Context,
    task: &DeliveryTask,
    recipients: usize,
    last_seqs: BTreeMap<String, u64>,
) -> Result<(), DeliveryError> {
    if let (1, Some((connection_id, last_seq))) = (recipients, last_seqs.iter().next())
        && *last_seq <= task.after_seq
    {
        return Err(DeliveryError::Unreachable(connection_id.clone()));
    }
    let for_connection = |(connection_id, after_seq)| DeliveryTask {
        audience: Recipients::Connections(vec![connection_id]),
        after_seq,
        // Without `through_seq`, a task for published messages means the one after `after_seq`, which
        // has changed.
        through_seq: match task.content {
            DeliveryKind::Published => task.through_seq.or(Some(task.after_seq + 1)),
            DeliveryKind::Log
            | DeliveryKind::Progress
            | DeliveryKind::Created { .. }
            | DeliveryKind::UploadDeadline
            | DeliveryKind::Watchdog { .. }
            | DeliveryKind::Webhook { .. } => task.through_seq,
        },
        // A new message starts with a receive count of 0.
        renewed: false,
        ..task.clone()
    };
    let tasks: Vec<_> = last_seqs.into_iter().map(for_connection).collect();
    context
        .queues
        .send_all::<DeliveryQueue>(&tasks, RETRY_DELAY_SECONDS)
        .await?;
    Ok(())
}
