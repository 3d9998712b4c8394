//! Passes the webhooks of committed messages to the function that posts them.

use stagecast_contract::queues::{
    DeliveryKind, DeliveryQueue, DeliveryTask, WebhookQueue, WebhookTask,
};
use stagecast_core::models::Job;

use crate::{context::Context, error::DeliveryError};

/// Seconds between two checks of a message that is not committed. It is committed late only by a process whose call to
/// the table takes long.
const CHECKS: [i32; 6] = [5, 15, 60, 180, 420, 420];

/// Longest time in seconds that a function lives after it has queued a task: Lambda's limit. Whatever commits the
/// message later queues another task first.
const LONGEST_COMMIT_SECONDS: i32 = 900;

const _: () = {
    let (mut sum, mut index) = (0, 0);
    while index < CHECKS.len() {
        sum += CHECKS[index];
        index += 1;
    }
    assert!(sum > LONGEST_COMMIT_SECONDS);
};

/// Queues the webhook of the message `through_seq`, if it is committed. If not, checks again later: `checks` counts
/// the earlier ones.
pub(crate) async fn pass_on(
    context: &Context,
    task: &DeliveryTask,
    checks: u32,
    job: &Job,
) -> Result<(), DeliveryError> {
    let seq = task.through_seq.unwrap_or(task.after_seq + 1);
    if job.webhook.is_none() {
        return Ok(());
    }
    if seq <= job.seq {
        let webhook = WebhookTask {
            job_id: job.job_id.clone(),
            seq,
        };
        return Ok(context.queues.send::<WebhookQueue>(&webhook, 0).await?);
    }
    let delay = usize::try_from(checks)
        .ok()
        .and_then(|checks| CHECKS.get(checks));
    let Some(delay) = delay.filter(|_| !job.status.has_ended()) else {
        tracing::info!(
            seq,
            "a message was not committed, so it has no webhook; the process that commits it queues another task"
        );
        return Ok(());
    };
    let again = DeliveryTask {
        content: DeliveryKind::Webhook { checks: checks + 1 },
        ..task.clone()
    };
    Ok(context.queues.send::<DeliveryQueue>(&again, *delay).await?)
}
