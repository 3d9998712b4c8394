//! `listen`.

use stagecast_contract::{
    messages::{ErrorCode, Listen, Listening, ServerMessage},
    worker_queues::QueueName,
};
use stagecast_core::stores::{ListenError, QueueAccess};

use super::{MessageError, activity, connection_ended};
use crate::{context::Context, invocation::Invocation, reply};

/// Stores the listener, which a claim arms. A repeated message disarms it, because its worker claims next.
pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: Listen,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let (token, queue) = (Some(&message.worker_token), message.queue.as_str());
    let access = context
        .worker_tokens
        .load_and_verify(token, queue, &context.worker_queues)
        .await?;
    let queue = authorized(context, access, &message.queue)?;
    let max = context.max_subscriptions;
    let connection_id = &invocation.connection_id;
    let stored = context.listeners.listen(connection_id, &queue, max).await?;
    let listener = stored.map_err(|error| match error {
        ListenError::TooMany => too_many_listeners(max),
        ListenError::NoConnection => connection_ended(),
    })?;
    let listening = ServerMessage::Listening(Listening {
        queue,
        listener: listener.id().to_owned(),
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &listening).await;
    Ok(())
}

/// The queue, if the token is valid for it.
fn authorized(
    context: &Context,
    access: QueueAccess,
    requested: &QueueName,
) -> Result<QueueName, MessageError> {
    match access {
        QueueAccess::Granted(queue) => Ok(queue),
        QueueAccess::InvalidToken => Err(MessageError::new(
            ErrorCode::InvalidWorkerToken,
            "`worker_token` is malformed, unknown, revoked or expired; ask the operator for a new one",
        )),
        QueueAccess::Forbidden(queue) => Err(MessageError::new(
            ErrorCode::QueueForbidden,
            format!(
                "`worker_token` is not valid for the queue `{queue}`; use a token of this queue"
            ),
        )
        .with("queue", queue.as_str())),
        QueueAccess::UnknownQueue => Err(unknown_queue(context, requested)),
    }
}

fn unknown_queue(context: &Context, requested: &QueueName) -> MessageError {
    let declared = context.worker_queues.names().iter();
    let declared: Vec<_> = declared.map(QueueName::as_str).collect();
    let declared = if declared.is_empty() {
        "none".to_owned()
    } else {
        declared.join(", ")
    };
    MessageError::new(
        ErrorCode::UnknownQueue,
        format!("the product declares no queue `{requested}`; its queues of workers: {declared}"),
    )
    .with("queue", requested.as_str())
}

fn too_many_listeners(max: u32) -> MessageError {
    MessageError::new(
        ErrorCode::TooManySubscriptions,
        format!(
            "this connection listens to {max} queues, the most it may; send `stop_listening` for one of them, or \
             open another connection"
        ),
    )
    .with("max_subscriptions", max)
}
