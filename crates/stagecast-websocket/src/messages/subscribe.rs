//! `subscribe`.

use std::time::Duration;

use stagecast_contract::{
    ids::JobId,
    messages::{Subscribe, SubscriptionTarget},
    owner_tokens::Scope,
};
use stagecast_core::{
    models::ReplayLimited,
    stores::{Authorized, CommitOutcome, Precondition, StoreError, SubscribeError},
};

use super::{
    MessageError,
    access::{Given, token_expired},
    activity,
    activity::replay_limited,
    connection_ended, owner_feed, too_many_subscriptions,
};
use crate::{context::Context, invocation::Invocation, replay::send_subscribed_and_replay};

/// Before this attempt, the job's progress must also be unchanged since it was read. A job that reports
/// progress more often than that reports again soon anyway.
const STRICT_ATTEMPTS: u32 = 5;
/// Before this attempt, the job's log must be unchanged since it was read.
const LOG_ATTEMPTS: u32 = 10;
/// Maximum number of attempts. Those from [`LOG_ATTEMPTS`] on conflict only with other requests of the
/// same connection.
const MAX_ATTEMPTS: u32 = 20;

/// How often, and at which interval, a subscription checks whether the pending reply of `$connect` was
/// sent. In total less than the function's timeout.
const PENDING_REPLY_CHECKS: u32 = 20;
const PENDING_REPLY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Subscribes the connection to a job, or to the feed of an owner.
pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: Subscribe,
) -> Result<(), MessageError> {
    match message.target()? {
        SubscriptionTarget::Job(job_id) => {
            Box::pin(subscribe_to_job(
                context, invocation, request_id, job_id, &message,
            ))
            .await
        }
        SubscriptionTarget::Owner(owner) => {
            let token = message.token.as_ref();
            owner_feed::subscribe(context, invocation, request_id, owner, token).await
        }
    }
}

/// Stores the subscription at the `seq` that was read, then sends `subscribed` and the durable
/// messages up to that `seq`. The publisher sends the later ones, so each message is sent once.
///
/// The transaction that stores a subscription also records the activity of the client.
async fn subscribe_to_job(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    job_id: &JobId,
    message: &Subscribe,
) -> Result<(), MessageError> {
    let request = invocation.subscription_request(job_id);
    let (key, token) = (message.access_key.as_ref(), message.token.as_ref());
    let given = Given::verify(context, Scope::Watch, key, token).await?;
    let after = message.after_seq.unwrap_or(0);
    for attempt in 1..=MAX_ATTEMPTS {
        let authorized = authorize(context, invocation, job_id, &given).await?;
        let (sent, expiry) = (authorized.replayed(), authorized.token_expires_at());
        let from = authorized.unsent_after(after);
        if authorized.is_subscribed(context.clock.now()) && from >= authorized.job.seq {
            // A repeated request. No write, so the publisher need not reload its subscribers.
            activity::record(context, invocation).await?;
            let job = &authorized.job;
            send_subscribed_and_replay(context, invocation, request_id, job, after, sent, expiry)
                .await?;
            return Ok(());
        }
        let charged = authorized
            .charged(from, context.clock.millis())
            .map_err(replay_limited)?;
        // Some jobs publish faster than a subscription can be stored. The last attempts do not require
        // an unchanged job; then messages may be sent twice, which clients detect by `seq`.
        let precondition = match attempt {
            ..STRICT_ATTEMPTS => Precondition::All,
            STRICT_ATTEMPTS..LOG_ATTEMPTS => Precondition::Log,
            LOG_ATTEMPTS.. => Precondition::Nothing,
        };
        let committed = context
            .subscriptions
            .commit(&request, &authorized, charged, precondition)
            .await?;
        if committed == CommitOutcome::Committed {
            let mut job = authorized.job;
            if precondition == Precondition::Nothing {
                // No publisher sends what was published between the read and the write.
                job = context.jobs.load(&job.job_id).await?.unwrap_or(job);
            }
            send_subscribed_and_replay(context, invocation, request_id, &job, after, sent, expiry)
                .await?;
            return Ok(());
        }
    }
    // Every attempt conflicted with a parallel request of the same connection.
    Err(replay_limited(ReplayLimited::contended()))
}

/// Checks the permission to subscribe. The pending reply of `$connect` is sent first, if there is one.
async fn authorize(
    context: &Context,
    invocation: &Invocation,
    job_id: &JobId,
    given: &Given<'_>,
) -> Result<Authorized, MessageError> {
    let mut result = load(context, invocation, job_id, given).await?;
    if matches!(result, Err(SubscribeError::ReplyPending)) {
        activity::record(context, invocation).await?;
        result = load(context, invocation, job_id, given).await?;
    }
    // Another message of the client may be sending the pending reply.
    for _ in 0..PENDING_REPLY_CHECKS {
        if !matches!(result, Err(SubscribeError::ReplyPending)) {
            break;
        }
        tokio::time::sleep(PENDING_REPLY_CHECK_INTERVAL).await;
        result = load(context, invocation, job_id, given).await?;
    }
    result.map_err(|error| match error {
        SubscribeError::Forbidden => given.forbidden(),
        SubscribeError::TokenExpired => token_expired(job_id),
        SubscribeError::TooMany => too_many_subscriptions(context.max_subscriptions),
        SubscribeError::NoConnection => connection_ended(),
        SubscribeError::ReplyPending => {
            MessageError::internal("the pending reply of $connect was not sent in time")
        }
    })
}

async fn load(
    context: &Context,
    invocation: &Invocation,
    job_id: &JobId,
    given: &Given<'_>,
) -> Result<Result<Authorized, SubscribeError>, StoreError> {
    let (subscriptions, connection_id) = (&context.subscriptions, &invocation.connection_id);
    let loaded = subscriptions.load_context(connection_id, job_id).await?;
    Ok(subscriptions.authorize(loaded, given.credential(), context.max_subscriptions))
}
