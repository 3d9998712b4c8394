//! `subscribe` and `unsubscribe` with an `owner`: the feed of all jobs of the owner.

use serde_json::json;
use stagecast_contract::{
    ids::OwnerToken,
    messages::{ErrorCode, OwnerSubscribed, OwnerUnsubscribed, ProtocolError, ServerMessage},
    owner_tokens::Scope,
};
use stagecast_core::{
    models::{Feed, TokenAccess},
    stores::{FeedRequest, SubscribeError},
};

use super::{MessageError, activity, connection_ended, too_many_subscriptions};
use crate::{context::Context, invocation::Invocation, reply};

/// Stores the subscription to the feed, then replies. The client lists the jobs after the reply: what is committed before the
/// list is in it, and what is committed later finds the subscription.
pub(super) async fn subscribe(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    owner: &str,
    token: Option<&OwnerToken>,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let (feed, token) = permitted(context, owner, token).await?;
    let request = FeedRequest {
        connection_id: &invocation.connection_id,
        connected_at: invocation.connected_at,
        correlation_id: invocation.correlation_id.clone(),
        feed: &feed,
        token,
    };
    let max = context.max_subscriptions;
    let subscribed = context.subscriptions.subscribe_to_feed(&request, max);
    let token = subscribed.await?.map_err(|error| match error {
        SubscribeError::TooMany => too_many_subscriptions(max),
        SubscribeError::NoConnection
        | SubscribeError::Forbidden
        | SubscribeError::TokenExpired
        | SubscribeError::ReplyPending => connection_ended(),
    })?;
    let subscribed = ServerMessage::OwnerSubscribed(OwnerSubscribed {
        owner: owner.to_owned(),
        token_expires_at: token.expiry(),
        request_id: request_id.to_owned(),
        correlation_id: invocation.correlation_id.to_string(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &subscribed).await;
    Ok(())
}

/// The feed that the token permits to watch: the jobs of its owner, with the labels to which it is limited.
async fn permitted(
    context: &Context,
    owner: &str,
    token: Option<&OwnerToken>,
) -> Result<(Feed, TokenAccess), MessageError> {
    let Some(token) = token else {
        let message = "`token` of `subscribe`: is missing; the feed of an owner needs an owner token with the scope `watch`";
        return Err(ProtocolError::new(ErrorCode::InvalidMessage, message)
            .with_details(json!({ "field": "token" }))
            .into());
    };
    let now = context.clock.now();
    let access = context
        .owner_tokens
        .verify(token.reveal(), Scope::Watch, now)
        .await?;
    let forbidden = |limit, message| {
        Err(MessageError::new(ErrorCode::TokenForbidden, message).with("limit", limit))
    };
    if access.owner() != owner {
        let message =
            "the token is of another owner; send the owner of the token as `owner`".to_owned();
        return forbidden("owner", message);
    }
    if let Some(job_id) = access.claims().job() {
        let message = format!(
            "the token is limited to one job; subscribe with the `job_id` {job_id} instead"
        );
        return forbidden("job", message);
    }
    let feed = Feed::new(owner, access.claims().labels().clone());
    Ok((feed, TokenAccess::from(&access)))
}

/// Ends the subscription to the feed. Succeeds without one, so that a client can repeat the message.
pub(super) async fn unsubscribe(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    owner: &str,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let feed = Feed::new(owner, std::collections::BTreeMap::new());
    let connection_id = &invocation.connection_id;
    let subscriptions = &context.subscriptions;
    subscriptions
        .unsubscribe_from_feed(connection_id, &feed)
        .await?;
    let unsubscribed = ServerMessage::OwnerUnsubscribed(OwnerUnsubscribed {
        owner: owner.to_owned(),
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &unsubscribed).await;
    Ok(())
}
