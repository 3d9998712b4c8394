//! From a pointer into the log to the messages that it stands for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use bytes::Bytes;
use contract::{
    functions::{DeliveryFunction, Function as _},
    messages::ServerMessage,
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, MAX_DELIVERY_ATTEMPTS, Recipients},
};
use handlers_core::{
    aws::{ConnectionsApi, Environment, Queues, SendError},
    clock::Clock,
    delivery::{ConnectionMaintainer, Outgoing, Sender, Stores, Unfinished},
    metrics,
    models::{Job, Subscriber},
    retry::RetryPolicy,
    stores::{EventStore, JobStore, StoreError, SubscriptionStore},
    unattended::Unattended,
};
use tracing::Instrument as _;

use crate::{
    attempts::{Attempt, receives},
    fan_out::FanOut,
    progress_fanout,
    shortfall::Shortfall,
};

/// Seconds before what failed in company is tried again alone.
const RETRY_DELAY_SECONDS: i32 = 5;
/// Longest time for the messages of one pointer. What is left of the function's is for reading the
/// audience and for leaving behind what has not gone out: a function that is killed does neither.
const SENDING: Duration =
    Duration::from_secs(DeliveryFunction::SPEC.timeout_seconds as u64 * 2 / 3);

/// Everything that delivering takes.
#[derive(Debug)]
pub struct Handler {
    jobs: JobStore<DeliveryFunction>,
    events: EventStore<DeliveryFunction>,
    pub(crate) unattended: Unattended<DeliveryFunction>,
    pub(crate) subscriptions: SubscriptionStore<DeliveryFunction>,
    connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>,
    pub(crate) queues: Queues<DeliveryFunction>,
    api: ConnectionsApi<DeliveryFunction>,
    pub(crate) clock: Clock,
}

/// A pointer could not be delivered; it stays on its queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("the message on the queue is no delivery pointer: {0}")]
    Pointer(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the connection {0} cannot be reached")]
    Unreachable(String),
    #[error(
        "its attempts failed or were cut short, so it is not attempted again; redrive it from the \
         dead-letter queue once the cause is fixed"
    )]
    Unanswered,
}

impl Handler {
    /// A handler for the stack that the environment describes.
    pub fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<DeliveryFunction>,
        clock: Clock,
    ) -> Self {
        let Stores {
            jobs,
            events,
            subscriptions,
            connections,
            queues,
            api,
            clock,
        } = Stores::new(config, environment, clock);
        Self {
            unattended: Unattended::new(
                jobs.clone(),
                events.clone(),
                queues.clone(),
                clock.clone(),
            ),
            jobs,
            events,
            subscriptions,
            connection_maintainer: Arc::new(ConnectionMaintainer::new(connections, queues.clone())),
            queues,
            api,
            clock,
        }
    }

    /// Delivers a batch. What fails stays on the queue until its receives make it a dead letter. What
    /// one connection cannot be sent is given up before that: see [`Attempt`].
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
        let pointer: DeliveryTask =
            serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        let job = match self.jobs.load(&pointer.job_id).await {
            Ok(job) => job,
            Err(error) => return self.unread(&pointer, error).await,
        };
        let Some(job) = job else {
            return Ok(());
        };
        tracing::Span::current()
            .record("job_id", job.job_id.as_str())
            .record("request_id", job.request_id.as_str())
            .record("correlation_id", job.correlation_id.as_str());
        let update = match pointer.content {
            DeliveryKind::Progress => {
                match progress_fanout::update_of(&pointer, &job, message, self.clock.now()) {
                    Some(update) => Some(ServerMessage::ProgressUpdate(update).to_json()),
                    None => return Ok(()),
                }
            }
            DeliveryKind::Watchdog { epoch } => return self.watch(&job, epoch, message).await,
            DeliveryKind::Log | DeliveryKind::Published => None,
        };
        let attempt = Attempt::of(&pointer, receives(message));
        match attempt {
            Attempt::Retried | Attempt::Last => {}
            Attempt::Renewed => {
                tracing::warn!(
                    receives = receives(message),
                    "a delivery was received often and never answered; its attempts begin anew",
                );
                let renewed = pointer.renew();
                return Ok(self.queues.send::<DeliveryQueue>(&renewed, 0).await?);
            }
            Attempt::Over => return Err(DeliveryError::Unanswered),
        }
        match self.attempt(&pointer, &job, update).await {
            Err(DeliveryError::Unreachable(connection_id)) if attempt == Attempt::Last => {
                tracing::error!(
                    connection_id,
                    content = ?pointer.content,
                    after_seq = pointer.after_seq,
                    through_seq = pointer.through_seq,
                    "a delivery is given up after {MAX_DELIVERY_ATTEMPTS} attempts; the client finds \
                     its messages in the log when it resumes with after_seq",
                );
                metrics::given_up::<DeliveryFunction>(&self.clock, pointer.job_id.as_str());
                Ok(())
            }
            result => result,
        }
    }

    /// Sends the audience of a pointer what the pointer stands for, or puts parts of it on the queue.
    async fn attempt(
        &self,
        pointer: &DeliveryTask,
        job: &Job,
        update: Option<String>,
    ) -> Result<(), DeliveryError> {
        // Whoever is not on the list any more has left: there is nothing to deliver.
        let audience = match &pointer.audience {
            Recipients::Connections(ids) => self.subscriptions.among(&job.job_id, ids).await?,
            Recipients::AllSubscribers => match self.fan_out(pointer, None).await? {
                FanOut::Small(audience) => audience,
                FanOut::Queued => return Ok(()),
            },
            Recipients::SubscribersAfter(after) => {
                match self.fan_out(pointer, Some(after)).await? {
                    FanOut::Small(audience) => audience,
                    FanOut::Queued => return Ok(()),
                }
            }
        };
        let shortfall = Shortfall::new(Arc::clone(&self.connection_maintainer));
        let sender = Sender::new(
            self.api.clone(),
            shortfall.clone(),
            RetryPolicy::post::<DeliveryFunction>(),
            self.clock.clone(),
        );
        if let Some(update) = update {
            let message = Bytes::from(update);
            for subscriber in &audience {
                let message = message.clone();
                sender.send(subscriber, Outgoing::Latest { message });
            }
        } else {
            self.send_log(pointer, job, &audience, &sender).await?;
        }
        let (counts, unfinished) = sender.flush_within(SENDING).await;
        let job_id = pointer.job_id.as_str();
        metrics::delivered::<DeliveryFunction>(&self.clock, job_id, audience.len(), &counts);
        let mut lacking = shortfall.take();
        if pointer.content != DeliveryKind::Progress {
            for Unfinished {
                connection_id,
                sent_seq,
            } in unfinished
            {
                let has = sent_seq.unwrap_or(0).max(pointer.after_seq);
                let lacks = lacking.entry(connection_id).or_insert(has);
                *lacks = has.min(*lacks);
            }
        }
        self.leave_behind(pointer, audience.len(), lacking).await
    }

    /// Puts what the audience lacks of the log on its way.
    async fn send_log(
        &self,
        pointer: &DeliveryTask,
        job: &Job,
        audience: &[Subscriber],
        sender: &Sender<ConnectionsApi<DeliveryFunction>, Shortfall>,
    ) -> Result<(), DeliveryError> {
        let is_published = pointer.content == DeliveryKind::Published;
        // Were it all that has followed meanwhile, an audience that is slow to serve would get
        // everything many times.
        let through = match pointer.through_seq {
            Some(through) => through,
            None if is_published => pointer.after_seq + 1,
            None => job.seq,
        };
        let last = job.seq.min(through);
        let events = self
            .events
            .between(&pointer.job_id, pointer.after_seq, last)
            .await?;
        for event in &events {
            let message = Bytes::from(event.message.clone());
            for subscriber in audience {
                if is_published && event.seq <= subscriber.at_seq {
                    continue;
                }
                let outgoing = Outgoing::Durable {
                    seq: event.seq,
                    message: message.clone(),
                };
                sender.send(subscriber, outgoing);
            }
        }
        Ok(())
    }

    /// Leaves what could not be delivered for later. A connection that fails alone stays on the
    /// queue, where its receives are counted, unless it has got a part: then a new pointer names the
    /// rest, or it would get that part with each receive. One that fails in company is taken out, or
    /// the others would get everything again.
    async fn leave_behind(
        &self,
        pointer: &DeliveryTask,
        audience: usize,
        lacking: BTreeMap<String, u64>,
    ) -> Result<(), DeliveryError> {
        if let (1, Some((connection_id, after_seq))) = (audience, lacking.iter().next())
            && *after_seq <= pointer.after_seq
        {
            return Err(DeliveryError::Unreachable(connection_id.clone()));
        }
        let alone = |(connection_id, after_seq)| DeliveryTask {
            audience: Recipients::Connections(vec![connection_id]),
            after_seq,
            // Without it, a pointer to published messages stands for one of them.
            through_seq: match pointer.content {
                DeliveryKind::Published => pointer.through_seq.or(Some(pointer.after_seq + 1)),
                DeliveryKind::Log | DeliveryKind::Progress | DeliveryKind::Watchdog { .. } => {
                    pointer.through_seq
                }
            },
            // Its attempts begin anew, as its receives do.
            renewed: false,
            ..pointer.clone()
        };
        let pointers: Vec<_> = lacking.into_iter().map(alone).collect();
        self.queues
            .send_all::<DeliveryQueue>(&pointers, RETRY_DELAY_SECONDS)
            .await?;
        Ok(())
    }
}
