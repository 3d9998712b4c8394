//! The error of a task.

use granted_aws::SendError;
use stagecast_core::stores::StoreError;

/// A task failed. Its message stays on the queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("the message on the queue is not a delivery task: {0}")]
    InvalidTask(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the connection {0} cannot be reached")]
    Unreachable(String),
    #[error(
        "all attempts failed or were cut short, so it is not attempted again; redrive it from the \
         dead-letter queue once the cause is fixed"
    )]
    AttemptsExhausted,
}
