//! The activity of a client: each of its messages extends the life of its connection, and the first
//! one triggers the reply to a subscription in the URL of `$connect`.

use stagecast_contract::{limits::replay_burst, messages::ErrorCode};
use stagecast_core::models::{PendingReply, ReplayAllowance, ReplayLimited};

use super::{MessageError, access::forbidden, connection_ended, new_request_id};
use crate::{context::Context, invocation::Invocation, replay::send_subscribed_and_replay};

/// The result of sending a pending reply.
enum PendingReplyOutcome {
    /// The reply was sent, or queued for the delivery function.
    Sent,
    /// Another message of the client sends the reply at the same time.
    SentByAnother,
}

/// Records that the client is active, and sends the pending reply of `$connect`, if there is one.
pub(super) async fn record(context: &Context, invocation: &Invocation) -> Result<(), MessageError> {
    let (connections, connection_id) = (&context.connections, &invocation.connection_id);
    let Some(connection) = connections.touch(connection_id).await? else {
        return Err(connection_ended());
    };
    if let Err(error) = context.listeners.renew(&connection).await {
        // No reason to fail: the client's next message retries.
        tracing::warn!(%error, "listeners could not be renewed");
    }
    let Some(pending) = connection.pending_reply else {
        return Ok(());
    };
    // The pending reply is cleared after it was sent. If the invocation is killed in between, the
    // client's next message sends it again; the client drops duplicates by their `seq`.
    let allowance = connection.replay_allowance;
    match send_pending_reply(context, invocation, &pending, allowance).await {
        Ok(PendingReplyOutcome::Sent) => Ok(connections.clear_pending_reply(connection_id).await?),
        Ok(PendingReplyOutcome::SentByAnother) => Ok(()),
        Err(error @ MessageError::Rejected(_)) if error.code() != ErrorCode::ReplayLimited => {
            connections.clear_pending_reply(connection_id).await?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Sends the pending reply of `$connect`. `allowance` is the replay allowance of the connection.
async fn send_pending_reply(
    context: &Context,
    invocation: &Invocation,
    pending: &PendingReply,
    allowance: ReplayAllowance,
) -> Result<PendingReplyOutcome, MessageError> {
    let request_id = new_request_id(context);
    let job = context.jobs.load(&pending.job_id).await?;
    let job = job.ok_or_else(forbidden)?;
    let after = pending.after_seq.unwrap_or(0);
    let cost = 1 + job.seq.saturating_sub(after);
    let burst = replay_burst(context.max_subscriptions);
    let charged = allowance
        .take(cost, burst, context.clock.millis())
        .map_err(replay_limited)?;
    // Messages that arrive together are served in parallel: the one that charges the allowance sends
    // the reply.
    let connection_id = &invocation.connection_id;
    let charge = context
        .connections
        .charge_replay(connection_id, allowance, charged);
    if !charge.await? {
        return Ok(PendingReplyOutcome::SentByAnother);
    }
    // The URL of a connection has an access key, and no token.
    send_subscribed_and_replay(context, invocation, &request_id, &job, after, None, None).await?;
    Ok(PendingReplyOutcome::Sent)
}

/// The error of a replay that exceeds the allowance of the connection.
pub(super) fn replay_limited(limit: ReplayLimited) -> MessageError {
    let seconds = limit.retry_after_seconds;
    MessageError::new(
        ErrorCode::ReplayLimited,
        format!(
            "this connection was sent too much by its own subscriptions; subscribe again in {seconds} \
             seconds. Messages of the jobs that it is subscribed to still come"
        ),
    )
    .with("retry_after_seconds", seconds)
}
