//! `ping`.

use stagecast_contract::messages::{Ping, Pong, ServerMessage};

use super::{MessageError, activity};
use crate::{context::Context, invocation::Invocation, reply};

pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    _message: Ping,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let pong = ServerMessage::Pong(Pong {
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &pong).await;
    Ok(())
}
