//! `stop_listening`.

use stagecast_contract::messages::{ServerMessage, StopListening, StoppedListening};

use super::{MessageError, activity};
use crate::{context::Context, invocation::Invocation, reply};

/// Deletes the listener. Succeeds without one, so that a client can repeat the message.
pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: StopListening,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let (listeners, queue) = (&context.listeners, message.queue);
    listeners.stop(&invocation.connection_id, &queue).await?;
    let stopped = ServerMessage::StoppedListening(StoppedListening {
        queue,
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &stopped).await;
    Ok(())
}
