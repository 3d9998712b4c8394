//! What clients ask for.

use contract::{
    ids::{AccessKey, JobId, RequestId},
    messages::{
        CancelJob, CancelRequested, ClientMessage, ClientRequest, ErrorCode, Pong, ProtocolError,
        RequestStatus, ServerMessage, StatusReply, Subscribe, Subscribed, Unsubscribe,
        Unsubscribed,
    },
};
use handlers_core::{
    aws::is_access_denied,
    cancellation::Cancellation,
    clock::random,
    delivery::Delivery,
    models::{Event, Job, PendingReply},
    stores::{Admitted, Committed, Refused, StoreError, Unmoved},
};
use serde_json::json;

use crate::handler::{Handler, Session};

/// Why a message was not done: the client is told, and what is our fault is logged.
#[derive(Debug)]
enum Trouble {
    Client(ProtocolError),
    Ours(String),
}

impl From<ProtocolError> for Trouble {
    fn from(error: ProtocolError) -> Self {
        Self::Client(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Ours(error.to_string())
    }
}

/// Attempts to store a subscription between two messages of its job.
const MOST_ATTEMPTS: u32 = 10;
/// Before this attempt, progress counts as a message too: one that reports faster than that reports
/// again soon.
const STRICT_ATTEMPTS: u32 = 5;

fn forbidden() -> ProtocolError {
    // The same words for a wrong key and for no such job: strangers learn nothing.
    ProtocolError::new(
        ErrorCode::Forbidden,
        "the access_key is missing or does not open this job; send the one that POST /v1/jobs \
         answered with",
    )
}

impl Handler {
    /// Serves a message. Never fails: the client gets a reply, whatever happens.
    pub(crate) async fn message(&self, session: &Session, frame: &str) {
        let request = ClientRequest::parse(frame);
        let request_id = request
            .request_id
            .unwrap_or_else(|| RequestId::new(self.clock.now(), random()).to_string());
        let outcome = match request.message {
            Ok(message) => self.serve(session, &request_id, message).await,
            // Anything a client sends is a sign of life.
            Err(error) => match self.touch(session).await {
                Ok(()) => Err(error.into()),
                Err(trouble) => Err(trouble),
            },
        };
        match outcome {
            Ok(()) => {}
            Err(Trouble::Client(error)) => {
                // Not the words: they quote the client, who may have put a key where it does not belong.
                let field = error.details.as_ref().map(|details| &details["field"]);
                tracing::info!(code = ?error.code, ?field, "refused");
                self.refuse(session, &request_id, error).await;
            }
            Err(Trouble::Ours(error)) => {
                tracing::error!(error, request_id, "a message could not be served");
                let advice = if is_access_denied(&error) {
                    format!(
                        "a policy denies the function an action that it takes, so another attempt \
                         does not help; the function's log names the action, under {request_id}"
                    )
                } else {
                    format!("try again, or ask about {request_id}")
                };
                let error = ProtocolError::new(
                    ErrorCode::Internal,
                    format!("the message could not be served; {advice}"),
                );
                self.refuse(session, &request_id, error).await;
            }
        }
    }

    async fn serve(
        &self,
        session: &Session,
        request_id: &str,
        message: ClientMessage,
    ) -> Result<(), Trouble> {
        match message {
            // Subscribing is its own sign of life, in the same transaction.
            ClientMessage::Subscribe(message) => self.subscribe(session, request_id, message).await,
            ClientMessage::Unsubscribe(message) => {
                self.touch(session).await?;
                self.unsubscribe(session, request_id, message).await
            }
            ClientMessage::CancelJob(message) => {
                self.touch(session).await?;
                self.cancel(session, request_id, message).await
            }
            ClientMessage::RequestStatus(message) => {
                self.touch(session).await?;
                self.status(session, request_id, message).await
            }
            ClientMessage::Ping(_) => {
                self.touch(session).await?;
                let pong = Pong {
                    request_id: request_id.to_owned(),
                    timestamp: self.clock.now(),
                };
                self.reply(session, &ServerMessage::Pong(pong)).await;
                Ok(())
            }
        }
    }

    /// Notes a sign of life and sends the reply that is owed since `$connect`, if any.
    async fn touch(&self, session: &Session) -> Result<(), Trouble> {
        let Some(connection) = self.connections.touch(&session.connection_id).await? else {
            return Err(Trouble::Ours("the connection has no item".to_owned()));
        };
        let Some(owed) = connection.pending_reply else {
            return Ok(());
        };
        let paid = self.pay(session, &owed).await;
        // Otherwise the client's next message triggers it again. Noted after it is done: whatever cuts
        // this short leaves it owed, and what comes twice is told by its `seq`.
        if !matches!(&paid, Err(Trouble::Ours(_))) {
            self.connections.paid(&session.connection_id).await?;
        }
        paid
    }

    /// Sends the reply that is owed since `$connect`.
    async fn pay(&self, session: &Session, owed: &PendingReply) -> Result<(), Trouble> {
        let request_id = RequestId::new(self.clock.now(), random()).to_string();
        let job = self.jobs.load(&owed.job_id).await?.ok_or_else(forbidden)?;
        let after = owed.after_seq.unwrap_or(0);
        self.welcome(session, &request_id, &job, after).await
    }

    /// Stores the subscription at the `seq` that was read, then sends `subscribed` and the durable
    /// messages up to there. Those after it are the publisher's: each comes once.
    async fn subscribe(
        &self,
        session: &Session,
        request_id: &str,
        message: Subscribe,
    ) -> Result<(), Trouble> {
        let request = session.wants(&message.job_id);
        let key = message.access_key.as_ref();
        for attempt in 1.. {
            let admitted = self.admit(session, &message.job_id, key).await?;
            // A job that publishes faster than one can subscribe is watched all the same: then
            // its messages may come twice, which clients tell by their `seq`.
            let unmoved = match attempt {
                ..STRICT_ATTEMPTS => Unmoved::All,
                STRICT_ATTEMPTS..MOST_ATTEMPTS => Unmoved::Log,
                MOST_ATTEMPTS.. => Unmoved::Nothing,
            };
            let committed = self
                .subscriptions
                .commit(&request, &admitted, unmoved)
                .await?;
            if committed == Committed::Yes {
                let after = message.after_seq.unwrap_or(0);
                let mut job = admitted.job;
                if unmoved == Unmoved::Nothing {
                    // What was published between the reading and the storing is nobody else's.
                    job = self.jobs.load(&job.job_id).await?.unwrap_or(job);
                }
                return self.welcome(session, request_id, &job, after).await;
            }
        }
        Ok(())
    }

    /// How the connection may watch the job, after the reply that is still owed to it.
    async fn admit(
        &self,
        session: &Session,
        job_id: &JobId,
        access_key: Option<&AccessKey>,
    ) -> Result<Admitted, Trouble> {
        let mut standing = self
            .subscriptions
            .look(&session.connection_id, job_id)
            .await?;
        let mut outcome = self.subscriptions.admit(standing, access_key);
        if matches!(outcome, Err(Refused::ReplyPending)) {
            self.touch(session).await?;
            standing = self
                .subscriptions
                .look(&session.connection_id, job_id)
                .await?;
            outcome = self.subscriptions.admit(standing, access_key);
        }
        outcome.map_err(|refused| match refused {
            Refused::Forbidden => forbidden().into(),
            Refused::TooMany => ProtocolError::new(
                ErrorCode::TooManySubscriptions,
                format!(
                    "this connection watches {} jobs, the most it may; unsubscribe from one, or \
                     open another connection",
                    self.max_subscriptions
                ),
            )
            .with_details(json!({ "max_subscriptions": self.max_subscriptions }))
            .into(),
            Refused::NoConnection | Refused::ReplyPending => {
                Trouble::Ours(format!("subscribing was refused: {refused:?}"))
            }
        })
    }

    /// Sends `subscribed` and the durable messages after `after`, up to the `seq` of `job`.
    async fn welcome(
        &self,
        session: &Session,
        request_id: &str,
        job: &Job,
        after: u64,
    ) -> Result<(), Trouble> {
        // The last event is read in any case: it holds the results of a completed job.
        let from = after.min(job.seq.saturating_sub(1));
        let mut events = self.events.between(&job.job_id, from, job.seq).await?;
        let status = job.snapshot_with(events.last());
        events.retain(|event| event.seq > after);
        let missed = job.seq.checked_sub(after);
        let recovered = missed.is_some_and(|missed| missed == events.len() as u64);
        let subscribed = ServerMessage::Subscribed(Subscribed {
            job_id: job.job_id.clone(),
            seq: job.seq,
            recovered,
            status,
            request_id: request_id.to_owned(),
            correlation_id: session.correlation_id.to_string(),
            timestamp: self.clock.now(),
        });
        match self.reply(session, &subscribed).await {
            Delivery::Sent { .. } if recovered => self.replay(session, &events).await,
            // Those who publish take the client to have what is in the log by now.
            Delivery::Spent { .. } if !events.is_empty() => {
                self.leave(session, &job.job_id, after).await;
            }
            _ => {}
        }
        Ok(())
    }

    async fn unsubscribe(
        &self,
        session: &Session,
        request_id: &str,
        message: Unsubscribe,
    ) -> Result<(), Trouble> {
        // Not watching is what was asked for, whether the job was watched or not.
        self.subscriptions
            .unsubscribe(&session.connection_id, &message.job_id)
            .await?;
        let unsubscribed = ServerMessage::Unsubscribed(Unsubscribed {
            job_id: message.job_id,
            request_id: request_id.to_owned(),
            timestamp: self.clock.now(),
        });
        self.reply(session, &unsubscribed).await;
        Ok(())
    }

    async fn cancel(
        &self,
        session: &Session,
        request_id: &str,
        message: CancelJob,
    ) -> Result<(), Trouble> {
        self.authorized(session, &message.job_id, message.access_key.as_ref())
            .await?;
        let cancelled = self.canceller.cancel(&message.job_id).await;
        match cancelled.map_err(|error| Trouble::Ours(error.to_string()))? {
            Cancellation::Requested => {
                let requested = ServerMessage::CancelRequested(CancelRequested {
                    job_id: message.job_id,
                    request_id: request_id.to_owned(),
                    timestamp: self.clock.now(),
                });
                self.reply(session, &requested).await;
                Ok(())
            }
            Cancellation::AlreadyFinished(_) => Err(ProtocolError::new(
                ErrorCode::JobAlreadyFinished,
                "the job has ended, there is nothing to cancel; request_status tells how it ended",
            )
            .into()),
        }
    }

    async fn status(
        &self,
        session: &Session,
        request_id: &str,
        message: RequestStatus,
    ) -> Result<(), Trouble> {
        let job = self
            .authorized(session, &message.job_id, message.access_key.as_ref())
            .await?;
        let last: Vec<Event> = self
            .events
            .between(&job.job_id, job.seq.saturating_sub(1), job.seq)
            .await?;
        let status = ServerMessage::JobStatus(StatusReply {
            snapshot: job.snapshot_with(last.last()),
            request_id: request_id.to_owned(),
            timestamp: self.clock.now(),
        });
        self.reply(session, &status).await;
        Ok(())
    }

    /// The job, if the key opens it or, without a key, if the connection watches it.
    async fn authorized(
        &self,
        session: &Session,
        job_id: &JobId,
        access_key: Option<&AccessKey>,
    ) -> Result<Job, Trouble> {
        match access_key {
            Some(key) => {
                let job = self.jobs.load(job_id).await?;
                Ok(job
                    .filter(|job| job.is_opened_by(key))
                    .ok_or_else(forbidden)?)
            }
            None if self
                .connections
                .watches(&session.connection_id, job_id)
                .await? =>
            {
                let job = self.jobs.load(job_id).await?;
                Ok(job.ok_or_else(|| {
                    ProtocolError::new(
                        ErrorCode::JobNotFound,
                        format!("the job {job_id} is no longer kept"),
                    )
                })?)
            }
            None => Err(forbidden().into()),
        }
    }
}
