//! Posts the webhooks of a batch, and keeps those on the queue that were not delivered.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use granted_aws::{Database, Environment, Queues, Secrets};
use stagecast_contract::{
    environment::Webhooks, functions::WebhooksFunction, queues::WebhookQueue,
    webhooks::WebhookRules,
};
use stagecast_core::{
    clock::Clock,
    stores::{EventStore, JobStore},
};
use tracing::Instrument as _;

use crate::{
    attempt::{AttemptError, Context, Finished, LazyHttpsClient},
    schedule,
};

/// Posts webhooks.
#[derive(Debug)]
pub struct Handler {
    context: Context,
    queues: Queues<WebhooksFunction>,
}

/// The function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The setting of the environment is not valid.
    #[error("WEBHOOKS is not valid: {0}; deploy the template of this version")]
    Setting(#[from] serde_json::Error),
}

impl Handler {
    /// A handler for the stack that `environment` describes.
    pub fn new(
        config: &granted_aws::Aws,
        environment: &Environment<WebhooksFunction>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let rules = WebhookRules::parse(environment.get::<Webhooks>())?;
        let database = Database::new(config, environment);
        Ok(Self {
            context: Context {
                jobs: JobStore::new(database.clone(), clock.clone()),
                events: EventStore::new(database),
                secrets: Secrets::new(config, environment),
                client: LazyHttpsClient::default(),
                rules,
                clock,
            },
            queues: Queues::new(config, environment),
        })
    }

    /// Posts the webhooks of a batch concurrently: a slow receiver does not delay the others.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let kept = join_all(event.records.iter().map(|message| {
            let span = tracing::info_span!(
                "webhook",
                job_id = tracing::field::Empty,
                seq = tracing::field::Empty,
                correlation_id = tracing::field::Empty,
            );
            async move { (!self.is_finished(message).await).then_some(message) }.instrument(span)
        }));
        let mut response = SqsBatchResponse::default();
        for message in kept.await.into_iter().flatten() {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
        response
    }

    /// Makes one attempt. False if the message stays on the queue.
    async fn is_finished(&self, message: &SqsMessage) -> bool {
        let attempt = receive_count(message);
        match Box::pin(self.context.attempt(message)).await {
            Ok(Finished::Delivered) => tracing::info!(attempt, "posted"),
            Ok(Finished::Gone) => tracing::error!(
                attempt,
                "the receiver responded with 410, so this webhook is not posted again; remove the endpoint from the \
                 environment's `webhooks` if it wants none"
            ),
            Ok(Finished::Dropped(reason)) => tracing::warn!(reason, "there is no webhook to post"),
            Err(error) => {
                self.keep(message, attempt, &error).await;
                return false;
            }
        }
        true
    }

    /// Hides the message until the next attempt. After the last one, SQS moves it to the dead-letter queue.
    async fn keep(&self, message: &SqsMessage, attempt: u32, error: &AttemptError) {
        let wait = schedule::wait_after(attempt, error.wait());
        if let Some(seconds) = wait {
            tracing::warn!(
                attempt,
                next_attempt_in_seconds = seconds,
                cause = %error,
                "a webhook was not delivered; it is posted again"
            );
        } else {
            tracing::error!(
                attempt,
                cause = %error,
                "a webhook is given up and moved to the dead-letter queue; redrive it from there once the cause is \
                 fixed"
            );
        }
        let receipt = message.receipt_handle.as_deref().unwrap_or_default();
        let hidden = self
            .queues
            .hide::<WebhookQueue>(receipt, wait.unwrap_or(0))
            .await;
        if let Err(error) = hidden {
            tracing::warn!(%error, "the next attempt is made after the queue's visibility timeout");
        }
    }
}

/// The number of receives of the message, including this one: the number of the attempt.
fn receive_count(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}
