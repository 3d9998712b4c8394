//! Queues the webhook of a durable message before the message is committed.
//!
//! The task is only a pointer, and the delivery function ignores it unless the message is committed. So a process that
//! dies at any point leaves either no commit, or a commit whose webhook is queued. A process that commits the message
//! later, from the log, queues another task first: a webhook can be posted twice, with the same id.

use granted_aws::Queues;
use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryQueue, DeliveryTask},
    webhooks::{JobWebhook, WebhookEvent},
};
use typed_contract::{
    functions::Function,
    grants::{Granted, SendMessage},
};

use crate::{
    models::TerminalState,
    stores::{Commit, StoreError},
};

/// Delay of the task in seconds: by then, the message is committed unless the process has died.
const COMMIT_SECONDS: i32 = 1;

/// Queues a task for the webhook of the message `seq`, if the job's webhook has this event. After an error, the caller
/// must not commit the message.
pub(crate) async fn queue_before_commit<F>(
    queues: &Queues<F>,
    job_id: &JobId,
    webhook: Option<&JobWebhook>,
    commit: &Commit,
    seq: u64,
) -> Result<(), StoreError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    if !webhook.is_some_and(|webhook| webhook.has(event_of(commit))) {
        return Ok(());
    }
    let task = DeliveryTask::webhook(job_id.clone(), seq);
    let sent = queues.send::<DeliveryQueue>(&task, COMMIT_SECONDS).await;
    sent.map_err(|error| StoreError::Call {
        operation: "queueing a webhook",
        cause: error.to_string(),
    })
}

const fn event_of(commit: &Commit) -> WebhookEvent {
    match commit {
        Commit::Stage { .. } => WebhookEvent::StageComplete,
        Commit::End { state, .. } => match state {
            TerminalState::Completed => WebhookEvent::JobComplete,
            TerminalState::Failed(_) => WebhookEvent::JobFailed,
            TerminalState::Cancelled => WebhookEvent::JobCancelled,
        },
    }
}
