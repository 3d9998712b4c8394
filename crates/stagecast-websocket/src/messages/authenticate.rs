//! `authenticate`.

use stagecast_contract::{
    messages::{Authenticate, Authenticated, ErrorCode, ServerMessage},
    owner_tokens::Scope,
};
use stagecast_core::{
    models::{Connection, TokenAccess},
    owner_tokens::OwnerAccess,
};

use super::{MessageError, activity};
use crate::{context::Context, invocation::Invocation, reply};

/// Extends the subscriptions that earlier tokens of the same owner have opened, if the new token gives access to their
/// jobs.
pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: Authenticate,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let (now, token) = (context.clock.now(), message.token.reveal());
    let verified = context.owner_tokens.verify(token, Scope::Watch, now);
    let access = verified.await?;
    let extension = context
        .connections
        .extend_tokens(
            &invocation.connection_id,
            &TokenAccess::from(&access),
            async |subscription: &Connection| includes(context, &access, subscription).await,
        )
        .await?;
    if extension.extended == 0 && extension.of_others > 0 {
        return Err(other_owner());
    }
    let authenticated = ServerMessage::Authenticated(Authenticated {
        owner: access.owner().to_owned(),
        token_expires_at: access.expires_at(),
        subscriptions: extension.extended,
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &authenticated).await;
    Ok(())
}

/// Whether the token gives access to the job, or to all jobs of the feed, of a subscription of its owner. Reads the job
/// only if the token is limited to labels.
async fn includes(
    context: &Context,
    access: &OwnerAccess,
    subscription: &Connection,
) -> Result<bool, MessageError> {
    let claims = access.claims();
    if let Some(feed) = &subscription.feed {
        return Ok(claims.job().is_none() && feed.is_within(claims.labels()));
    }
    let Some(job_id) = &subscription.job_id else {
        return Ok(false);
    };
    if claims.job().is_some_and(|it| it != job_id) {
        return Ok(false);
    }
    if claims.labels().is_empty() {
        return Ok(true);
    }
    let job = context.jobs.load(job_id).await?;
    Ok(job.is_some_and(|job| access.includes(&job)))
}

fn other_owner() -> MessageError {
    MessageError::new(
        ErrorCode::TokenForbidden,
        "the subscriptions of this connection are by tokens of another owner; open another connection for the jobs of \
         this one",
    )
    .with("limit", "owner")
}
