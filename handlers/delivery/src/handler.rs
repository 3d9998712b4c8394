//! From a pointer into the log to the messages that it stands for.

use std::sync::Arc;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use bytes::Bytes;
use contract::{
    functions::DeliveryFunction,
    queues::{Audience, DeliveryPointer, DeliveryQueue},
};
use handlers_core::{
    aws::{ConnectionsApi, Database, Environment, Queues, SendError},
    clock::Clock,
    delivery::{Budget, Housekeeper, Outgoing, Sender},
    metrics,
    models::Subscriber,
    stores::{
        ConnectionStore, EventStore, JobStore, StoreError, SubscriberPage, SubscriptionStore,
    },
};
use tracing::Instrument as _;

use crate::shortfall::Shortfall;

/// Connections that one invocation serves.
const CHUNK: usize = 100;
/// Subscribers that one invocation reads to deal them out in chunks. The rest is another's, so no
/// audience is too large for the time that an invocation has.
const PAGE: usize = 2000;
/// Seconds before what failed in company is tried again alone.
const RETRY_DELAY_SECONDS: i32 = 5;

/// Everything that delivering takes.
#[derive(Debug)]
pub struct Handler {
    jobs: JobStore<DeliveryFunction>,
    events: EventStore<DeliveryFunction>,
    subscriptions: SubscriptionStore<DeliveryFunction>,
    housekeeper: Arc<Housekeeper<DeliveryFunction>>,
    queues: Queues<DeliveryFunction>,
    api: ConnectionsApi<DeliveryFunction>,
    clock: Clock,
}

/// A pointer could not be delivered; it stays on its queue.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("the message on the queue is no delivery pointer: {0}")]
    Pointer(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the connection {0} cannot be reached")]
    Unreachable(String),
}

impl Handler {
    /// A handler for the stack that the environment describes.
    pub fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<DeliveryFunction>,
        clock: Clock,
    ) -> Self {
        let database = Database::new(config, environment);
        let queues = Queues::new(config, environment);
        let connections = ConnectionStore::new(database.clone(), clock.clone());
        Self {
            jobs: JobStore::new(database.clone(), clock.clone()),
            events: EventStore::new(database.clone()),
            // Nothing is subscribed here: the limit is the websocket function's.
            subscriptions: SubscriptionStore::new(database, clock.clone(), 0),
            housekeeper: Arc::new(Housekeeper::new(connections, queues.clone())),
            queues,
            api: ConnectionsApi::new(config, environment),
            clock,
        }
    }

    /// Delivers a batch. What fails stays on the queue, and goes to the dead-letter queue after
    /// the receives that the contract allows.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            let id = message.message_id.clone().unwrap_or_default();
            let span = tracing::info_span!(
                "delivery",
                message_id = id,
                job_id = tracing::field::Empty,
                request_id = tracing::field::Empty,
                correlation_id = tracing::field::Empty,
            );
            if let Err(error) = self.deliver(&message).instrument(span.clone()).await {
                span.in_scope(
                    || tracing::error!(%error, "a delivery failed; it stays on the queue"),
                );
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn deliver(&self, message: &SqsMessage) -> Result<(), DeliveryError> {
        let pointer: DeliveryPointer =
            serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        let Some(job) = self.jobs.load(&pointer.job_id).await? else {
            return Ok(());
        };
        tracing::Span::current()
            .record("job_id", job.job_id.as_str())
            .record("request_id", job.request_id.as_str())
            .record("correlation_id", job.correlation_id.as_str());
        let Some(audience) = self.audience(&pointer).await? else {
            return Ok(());
        };
        let events = self
            .events
            .between(&pointer.job_id, pointer.after_seq, job.seq)
            .await?;
        let shortfall = Shortfall::new(Arc::clone(&self.housekeeper));
        let sender = Sender::new(
            self.api.clone(),
            shortfall.clone(),
            Budget::of::<DeliveryFunction>(),
            self.clock.clone(),
        );
        for event in &events {
            let message = Bytes::from(event.message.clone());
            for subscriber in &audience {
                let outgoing = Outgoing::Durable {
                    seq: event.seq,
                    message: message.clone(),
                };
                sender.send(subscriber, outgoing);
            }
        }
        let counts = sender.flush().await;
        let job_id = pointer.job_id.as_str();
        metrics::delivered::<DeliveryFunction>(&self.clock, job_id, audience.len(), &counts);
        let lacking = shortfall.take();
        // A connection that fails alone stays on the queue, where its receives are counted. One
        // that fails in company is taken out, or the others would get everything again.
        if let (1, Some(connection_id)) = (audience.len(), lacking.keys().next()) {
            return Err(DeliveryError::Unreachable(connection_id.clone()));
        }
        for (connection_id, after_seq) in lacking {
            let alone = DeliveryPointer {
                job_id: pointer.job_id.clone(),
                audience: Audience::Connections(vec![connection_id]),
                after_seq,
            };
            self.queues
                .send::<DeliveryQueue>(&alone, RETRY_DELAY_SECONDS)
                .await?;
        }
        Ok(())
    }

    /// Whom this invocation delivers to; none if they were too many and are dealt out on the queue.
    /// Whoever is not on the list any more has left: there is nothing to deliver.
    async fn audience(
        &self,
        pointer: &DeliveryPointer,
    ) -> Result<Option<Vec<Subscriber>>, DeliveryError> {
        let (after, newcomers) = match &pointer.audience {
            Audience::Connections(ids) => {
                let audience = self.subscriptions.among(&pointer.job_id, ids).await?;
                return Ok(Some(audience));
            }
            Audience::AllSubscribers => (None, true),
            Audience::SubscribersAfter {
                connection_id,
                newcomers,
            } => (Some(connection_id.as_str()), *newcomers),
        };
        let page = self.subscriptions.of_job(&pointer.job_id, after, PAGE);
        let SubscriberPage {
            subscribers: mut audience,
            rest_after,
        } = page.await?;
        audience.retain(|subscriber| newcomers || subscriber.at_seq <= pointer.after_seq);
        if audience.len() <= CHUNK && rest_after.is_none() {
            return Ok(Some(audience));
        }
        for chunk in audience.chunks(CHUNK) {
            let ids = chunk
                .iter()
                .map(|subscriber| subscriber.connection_id.clone())
                .collect();
            self.leave(pointer, Audience::Connections(ids)).await?;
        }
        if let Some(connection_id) = rest_after {
            let rest = Audience::SubscribersAfter {
                connection_id,
                newcomers,
            };
            self.leave(pointer, rest).await?;
        }
        Ok(None)
    }

    /// Leaves a part of a pointer's audience to another invocation.
    async fn leave(&self, pointer: &DeliveryPointer, audience: Audience) -> Result<(), SendError> {
        let part = DeliveryPointer {
            job_id: pointer.job_id.clone(),
            audience,
            after_seq: pointer.after_seq,
        };
        self.queues.send::<DeliveryQueue>(&part, 0).await
    }
}
