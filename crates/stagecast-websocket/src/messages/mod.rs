//! The messages of clients: one module for each type.

mod access;
mod activity;
mod authenticate;
mod cancel_job;
mod listen;
mod owner_feed;
mod ping;
mod request_status;
mod stop_listening;
mod subscribe;
mod unsubscribe;

use stagecast_contract::{
    ids::RequestId,
    messages::{ClientMessage, ClientRequest, ErrorCode},
};
use stagecast_core::{clock::random, error::HandlerError};

use crate::{context::Context, invocation::Invocation, reply};

/// The error of a client's message.
type MessageError = HandlerError<ErrorCode>;

/// Serves a text frame. Errors are sent to the client as replies.
pub(crate) async fn handle(context: &Context, invocation: &Invocation, frame: &str) {
    let request = ClientRequest::parse(frame);
    let request_id = request
        .request_id
        .unwrap_or_else(|| new_request_id(context));
    let result = match request.message {
        Ok(message) => serve(context, invocation, &request_id, message).await,
        // An invalid message also counts as activity of the client.
        Err(invalid) => match activity::record(context, invocation).await {
            Ok(()) => Err(invalid.into()),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = result {
        reply::send_error(context, invocation, &request_id, error).await;
    }
}

async fn serve(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: ClientMessage,
) -> Result<(), MessageError> {
    match message {
        ClientMessage::Subscribe(message) => {
            subscribe::handle(context, invocation, request_id, message).await
        }
        ClientMessage::Unsubscribe(message) => {
            unsubscribe::handle(context, invocation, request_id, message).await
        }
        ClientMessage::CancelJob(message) => {
            cancel_job::handle(context, invocation, request_id, message).await
        }
        ClientMessage::RequestStatus(message) => {
            request_status::handle(context, invocation, request_id, message).await
        }
        ClientMessage::Listen(message) => {
            listen::handle(context, invocation, request_id, message).await
        }
        ClientMessage::StopListening(message) => {
            stop_listening::handle(context, invocation, request_id, message).await
        }
        ClientMessage::Authenticate(message) => {
            authenticate::handle(context, invocation, request_id, message).await
        }
        ClientMessage::Ping(message) => {
            ping::handle(context, invocation, request_id, message).await
        }
    }
}

fn new_request_id(context: &Context) -> String {
    RequestId::new(context.clock.now(), random()).to_string()
}

fn too_many_subscriptions(max: u32) -> MessageError {
    MessageError::new(
        ErrorCode::TooManySubscriptions,
        format!(
            "this connection watches {max} jobs or owners, the most it may; unsubscribe from one, or \
             open another connection"
        ),
    )
    .with("max_subscriptions", max)
}

/// The connection has no item: the client has disconnected, and a message that it sent before is
/// served late.
fn connection_ended() -> MessageError {
    tracing::info!("the connection has ended; a message that arrived before is not served");
    // If the client is still connected after all, it waits for a reply.
    MessageError::new(
        ErrorCode::Internal,
        "this connection is not known any more; connect again",
    )
}
