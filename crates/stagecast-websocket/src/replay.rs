//! The reply `subscribed`, followed by a replay of the log.

use bytes::Bytes;
use stagecast_contract::{
    ids::JobId,
    messages::{ServerMessage, Subscribed},
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    timestamp::Timestamp,
};
use stagecast_core::{
    delivery::Delivery,
    models::{Event, Job, SentRange},
    stores::StoreError,
};

use crate::{context::Context, invocation::Invocation, reply};

/// Sends `subscribed` and the durable messages after `after`, up to the `seq` of `job`, without those
/// that an earlier request of the connection has already `sent`. `token_expires_at` is that of the subscription's token.
pub(crate) async fn send_subscribed_and_replay(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    job: &Job,
    after: u64,
    sent: Option<SentRange>,
    token_expires_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let after = SentRange::unsent_after(sent, after);
    // The last event is read in any case: it has the results of a completed job.
    let from = after.min(job.seq.saturating_sub(1));
    let mut events = context.events.between(&job.job_id, from, job.seq).await?;
    let artifacts = context.artifacts.load(job).await?.all();
    let status = job.snapshot_with(events.last(), artifacts);
    events.retain(|event| event.seq > after);
    let missed = job.seq.checked_sub(after);
    let recovered = missed.is_some_and(|missed| missed == events.len() as u64);
    let subscribed = ServerMessage::Subscribed(Subscribed {
        job_id: job.job_id.clone(),
        seq: job.seq,
        recovered,
        status,
        request_id: request_id.to_owned(),
        correlation_id: invocation.correlation_id.to_string(),
        timestamp: context.clock.now(),
        token_expires_at,
    });
    match reply::send(context, invocation, &subscribed).await {
        Delivery::Sent { .. }
            if recovered && !events.is_empty() && replay(context, invocation, &events).await =>
        {
            let range = SentRange::extended(sent, after, job.seq);
            store_sent_range(context, invocation, &job.job_id, range).await;
        }
        // Publishers assume that a subscriber has the log up to the `seq` of its subscription.
        Delivery::Spent { .. } if !events.is_empty() => {
            defer(context, invocation, &job.job_id, after, job.seq).await;
        }
        _ => {}
    }
    Ok(())
}

/// Stores which part of the log the connection has. A failure is logged: a repeated subscribe then
/// repeats the replay.
async fn store_sent_range(
    context: &Context,
    invocation: &Invocation,
    job_id: &JobId,
    range: SentRange,
) {
    let stored = context
        .connections
        .record_replay(&invocation.connection_id, job_id, range);
    if let Err(error) = stored.await {
        tracing::warn!(
            %error,
            "the replayed range could not be stored; a repeated subscribe repeats the replay",
        );
    }
}

/// Posts events in order. The delivery function sends those that cannot be posted in time. Returns
/// true if all of them were posted.
async fn replay(context: &Context, invocation: &Invocation, events: &[Event]) -> bool {
    let last = events.last().map_or(0, |event| event.seq);
    for event in events {
        let delivery = if invocation.retry_policy().total.is_zero() {
            None
        } else {
            let message = Bytes::from(event.message.clone());
            Some(reply::post(context, invocation, message).await)
        };
        match delivery {
            Some(Delivery::Sent { .. }) => {}
            None | Some(Delivery::Spent { .. }) => {
                let before = event.seq.saturating_sub(1);
                defer(context, invocation, &event.job_id, before, last).await;
                return false;
            }
            Some(Delivery::Gone | Delivery::Refused(_) | Delivery::Superseded) => return false,
        }
    }
    true
}

/// Queues the job's log after `after_seq` and through `through_seq` for the delivery function.
async fn defer(
    context: &Context,
    invocation: &Invocation,
    job_id: &JobId,
    after_seq: u64,
    through_seq: u64,
) {
    let recipients = Recipients::Connections(vec![invocation.connection_id.clone()]);
    let task = DeliveryTask::log(job_id.clone(), recipients, after_seq).through(through_seq);
    if let Err(error) = context.queues.send::<DeliveryQueue>(&task, 0).await {
        tracing::error!(%error, %job_id, after_seq, "a replay could not be queued");
    }
}
