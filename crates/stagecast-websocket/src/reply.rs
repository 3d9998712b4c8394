//! Replies. They are posted to the connection like every other message: the WebSocket API discards
//! what a route returns.

use bytes::Bytes;
use serde_json::Value;
use stagecast_contract::messages::{ErrorCode, ErrorReply, ServerMessage};
use stagecast_core::{
    delivery::{Delivery, Destination, deliver},
    error::HandlerError,
};

use crate::{
    context::Context,
    invocation::{Invocation, UndeliveredReply},
};

/// Posts a reply. A failed post is logged: the client repeats its request if the reply is missing. A
/// post that no retry can deliver also fails the invocation.
pub(crate) async fn send(
    context: &Context,
    invocation: &Invocation,
    reply: &ServerMessage,
) -> Delivery {
    let delivery = post(context, invocation, Bytes::from(reply.to_json())).await;
    if let Delivery::Refused(cause) = &delivery {
        // Later replies of the same invocation fail for the same cause.
        let _ = invocation.undelivered.set(UndeliveredReply(cause.clone()));
    }
    delivery
}

/// Logs an error and posts it as the reply.
pub(crate) async fn send_error(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    error: HandlerError<ErrorCode>,
) {
    let error = error.into_client_error(request_id);
    let reply = ServerMessage::Error(ErrorReply {
        code: error.code,
        message: error.message,
        request_id: request_id.to_owned(),
        details: (!error.details.is_empty()).then_some(Value::Object(error.details)),
        timestamp: context.clock.now(),
    });
    send(context, invocation, &reply).await;
}

/// Posts a message to the connection, with retries while the invocation has time. Deletes the items of
/// a connection that is gone.
pub(crate) async fn post(context: &Context, invocation: &Invocation, message: Bytes) -> Delivery {
    let destination = Destination {
        connection_id: invocation.connection_id.clone(),
        connected_at: invocation.connected_at,
    };
    let delivery = deliver(
        &context.api,
        &destination,
        &message,
        &invocation.retry_policy(),
        &context.clock,
        || false,
    )
    .await;
    match &delivery {
        Delivery::Sent { .. } | Delivery::Superseded => {}
        Delivery::Gone => {
            tracing::info!("the connection is gone");
            if let Err(error) = context.forget(&invocation.connection_id).await {
                tracing::error!(%error, "the items of a gone connection could not be deleted");
            }
        }
        Delivery::Spent { attempts, cause } => {
            tracing::warn!(attempts, %cause, "a reply could not be sent");
        }
        Delivery::Refused(cause) => tracing::error!(%cause, "a reply was refused"),
    }
    delivery
}
