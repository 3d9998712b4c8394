//! `unsubscribe`.

use stagecast_contract::messages::{ServerMessage, SubscriptionTarget, Unsubscribe, Unsubscribed};

use super::{MessageError, activity, owner_feed};
use crate::{context::Context, invocation::Invocation, reply};

/// Ends a subscription. Succeeds without one, so that a client can repeat the message.
pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: Unsubscribe,
) -> Result<(), MessageError> {
    let job_id = match message.target()? {
        SubscriptionTarget::Job(job_id) => job_id,
        SubscriptionTarget::Owner(owner) => {
            return owner_feed::unsubscribe(context, invocation, request_id, owner).await;
        }
    };
    activity::record(context, invocation).await?;
    let connection_id = &invocation.connection_id;
    // A transaction whose condition fails costs as much as one that succeeds, so read first.
    if context
        .connections
        .is_subscribed(connection_id, job_id)
        .await?
    {
        let subscriptions = &context.subscriptions;
        subscriptions.unsubscribe(connection_id, job_id).await?;
    }
    let unsubscribed = ServerMessage::Unsubscribed(Unsubscribed {
        job_id: job_id.clone(),
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &unsubscribed).await;
    Ok(())
}
