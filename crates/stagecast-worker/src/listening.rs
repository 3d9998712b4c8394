//! The listener of a worker that claims from a queue.
//!
//! A listener is armed while its worker waits for a job. The claim that finds the queue empty arms it and reads the
//! queue again; a job that becomes claimable is stored before its armed listeners are read. Both reads are consistent,
//! so one of the two sees the other. `tests/protocol-models` checks it.

use stagecast_contract::{http::HttpErrorCode, worker_queues::QueueName};
use stagecast_core::{http::ApiError, stores::StoreError};

use crate::context::Context;

/// Requests a notification for the listener, whose worker has found the queue empty.
pub(crate) async fn arm(
    context: &Context,
    queue: &QueueName,
    listener: &str,
) -> Result<(), ApiError> {
    if context.stores.listeners.arm(queue, listener).await? {
        return Ok(());
    }
    Err(ApiError::new(
        HttpErrorCode::ListenerGone,
        format!(
            "the queue `{queue}` is empty, and `listener` does not listen to it any more; send `listen` over the \
             WebSocket API, and claim with the `listener` of the reply"
        ),
    )
    .with("queue", queue.as_str()))
}

/// Withdraws the request, because the worker has a job: a busy worker must not take a notification from an idle one.
///
/// A job may have notified this worker already, which does not follow the notification before it is idle. So if
/// jobs are left in the queue, another listener is notified.
///
/// A failure is only logged: without a response, the worker could not run its job.
pub(crate) async fn withdraw(context: &Context, queue: &QueueName, listener: &str) {
    if let Err(error) = pass_on(context, queue, listener).await {
        tracing::warn!(%error, %queue, "the listener of a claim may still be armed");
    }
}

async fn pass_on(context: &Context, queue: &QueueName, listener: &str) -> Result<(), StoreError> {
    context.stores.listeners.disarm(queue, listener).await?;
    if context.stores.waiting.has_waiting(queue).await? {
        context.waker.pass_on(queue).await;
    }
    Ok(())
}
