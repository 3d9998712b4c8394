//! Receives messages of the queue and selects the module of each task.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use bytes::Bytes;
use granted_aws::Environment;
use stagecast_contract::{
    functions::DeliveryFunction,
    messages::ServerMessage,
    queues::{DeliveryKind, DeliveryTask},
};
use stagecast_core::{batch, clock::Clock, delivery::Outgoing, models::Job};
use tracing::Instrument as _;

use crate::{
    attempts::receive_count,
    context::{Context, InvalidSetting},
    created, deliver,
    error::DeliveryError,
    progress_fanout, upload_deadline, watchdog, webhook,
};

/// Executes delivery tasks.
#[derive(Debug)]
pub struct Handler {
    context: Context,
}

impl Handler {
    /// A handler for the stack that `environment` describes.
    pub fn new(
        config: &granted_aws::Aws,
        environment: &Environment<DeliveryFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        Ok(Self {
            context: Context::new(config, environment, clock)?,
        })
    }

    /// The same handler with a limit of running jobs of each owner.
    #[cfg(test)]
    pub(crate) fn with_owner_limit(mut self, jobs: u16) -> Self {
        self.context.owner_limit = Some(stagecast_contract::worker_queues::OwnerLimit::new(jobs));
        self
    }

    /// Executes the tasks of a batch. A failed task stays on the queue, until its receive count makes it
    /// a dead letter. A delivery to one connection is given up earlier: see
    /// `attempts.rs`.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        batch::handle_each(event, async |message: &SqsMessage| {
            let span = tracing::info_span!(
                "delivery",
                message_id = message.message_id,
                job_id = tracing::field::Empty,
                request_id = tracing::field::Empty,
                correlation_id = tracing::field::Empty,
            );
            let result = Box::pin(execute(&self.context, message));
            result.instrument(span.clone()).await.inspect_err(|error| {
                span.in_scope(
                    || tracing::error!(%error, "a delivery failed; it stays on the queue"),
                );
            })
        })
        .await
    }
}

async fn execute(context: &Context, message: &SqsMessage) -> Result<(), DeliveryError> {
    let task: DeliveryTask = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
    let job = match (context.jobs.load(&task.job_id).await, task.content) {
        (Ok(Some(job)), _) => job,
        (Ok(None), DeliveryKind::Created { give_up_at }) => {
            return created::retry(context, task, give_up_at).await;
        }
        // The job was deleted: nothing to deliver.
        (Ok(None), _) => return Ok(()),
        (Err(error), DeliveryKind::Watchdog { epoch }) => {
            tracing::warn!(%error, "the watchdog could not read the job; it tries again");
            return watchdog::retry(context, &task.job_id, epoch).await;
        }
        (Err(error), DeliveryKind::UploadDeadline) => {
            tracing::warn!(%error, "the upload could not be checked; it is checked again");
            return upload_deadline::retry(context, &task.job_id).await;
        }
        (Err(error), _) => return Err(error.into()),
    };
    record_ids(&job);
    let receive_count = receive_count(message);
    let outgoing = match task.content {
        DeliveryKind::Watchdog { epoch } => {
            return Box::pin(watchdog::check(context, &job, epoch, receive_count)).await;
        }
        DeliveryKind::UploadDeadline => {
            return upload_deadline::check(context, &job, receive_count).await;
        }
        DeliveryKind::Webhook { checks } => {
            return webhook::pass_on(context, &task, checks, &job).await;
        }
        DeliveryKind::Progress => {
            match progress_fanout::current_update(&task, &job, message, context.clock.now()) {
                Some(update) => Some(Outgoing::Latest {
                    message: Bytes::from(ServerMessage::ProgressUpdate(update).to_json()),
                }),
                None => return Ok(()),
            }
        }
        DeliveryKind::Created { .. } => Some(created::message(context, &job)),
        DeliveryKind::Log | DeliveryKind::Published => None,
    };
    deliver::execute(context, task, &job, outgoing, receive_count).await
}

/// Adds the ids of the job to the span of its task.
fn record_ids(job: &Job) {
    tracing::Span::current()
        .record("job_id", job.job_id.as_str())
        .record("request_id", job.request_id.as_str())
        .record("correlation_id", job.correlation_id.as_str());
}
