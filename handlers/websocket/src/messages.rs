//! What clients ask for.

use std::time::Duration;

use contract::{
    ids::{AccessKey, JobId, RequestId},
    limits::replay_burst,
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
    models::{Event, Job, PendingReply, ReplayAllowance, ReplayLimited, SentRange},
    stores::{Authorized, CommitOutcome, Precondition, StoreError, SubscribeError},
};
use serde_json::json;

use crate::handler::{Handler, Session};

/// Why a message was not done: the client is told, and what is our fault is logged.
#[derive(Debug)]
enum HandlerError {
    Client(ProtocolError),
    /// The connection has no item: its client has left, and messages that it sent before are still
    /// being served.
    Left,
    Internal(String),
}

impl From<ProtocolError> for HandlerError {
    fn from(error: ProtocolError) -> Self {
        Self::Client(error)
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Attempts to store a subscription between two messages of its job.
const MOST_ATTEMPTS: u32 = 10;
/// Attempts in all: those after [`MOST_ATTEMPTS`] fail only if the connection has sent many requests
/// at once.
const LAST_ATTEMPT: u32 = 20;
/// Before this attempt, progress counts as a message too: one that reports faster than that reports
/// again soon.
const STRICT_ATTEMPTS: u32 = 5;

/// How often, and at what interval, a subscription looks whether the reply that is owed since
/// `$connect` has gone out. Together less than the function runs.
const REPLY_LOOKS: u32 = 20;
const REPLY_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What came of the reply that is owed since `$connect`.
enum Paid {
    /// It was sent, or left to the delivery function.
    Sent,
    /// Another message of the client has triggered it at the same time.
    ByAnother,
}

fn limited(limit: ReplayLimited) -> HandlerError {
    let seconds = limit.retry_after_seconds;
    ProtocolError::new(
        ErrorCode::ReplayLimited,
        format!(
            "this connection was sent too much by its own subscriptions; subscribe again in {seconds} \
             seconds. Messages of the jobs that it is subscribed to still come"
        ),
    )
    .with_details(json!({ "retry_after_seconds": seconds }))
    .into()
}

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
            Err(HandlerError::Client(error)) => {
                // Not the words: they quote the client, who may have put a key where it does not belong.
                let field = error.details.as_ref().map(|details| &details["field"]);
                tracing::info!(code = ?error.code, ?field, "refused");
                self.refuse(session, &request_id, error).await;
            }
            Err(HandlerError::Left) => {
                tracing::info!("the client has left; a message that it sent before is not served");
                // Were the client there after all, it would wait for an answer.
                let error = ProtocolError::new(
                    ErrorCode::Internal,
                    "this connection is not known any more; connect again",
                );
                self.refuse(session, &request_id, error).await;
            }
            Err(HandlerError::Internal(error)) => {
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
    ) -> Result<(), HandlerError> {
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
    async fn touch(&self, session: &Session) -> Result<(), HandlerError> {
        let Some(connection) = self.connections.touch(&session.connection_id).await? else {
            return Err(HandlerError::Left);
        };
        let Some(owed) = connection.pending_reply else {
            return Ok(());
        };
        // Removed after it was sent. If the invocation is killed before, the client's next message sends
        // it again; the client drops what comes twice by its `seq`.
        match self
            .send_pending_reply(session, &owed, connection.replay_allowance)
            .await
        {
            Ok(Paid::Sent) => Ok(self
                .connections
                .clear_pending_reply(&session.connection_id)
                .await?),
            Ok(Paid::ByAnother) => Ok(()),
            Err(error @ HandlerError::Client(ProtocolError { code, .. }))
                if code != ErrorCode::ReplayLimited =>
            {
                self.connections
                    .clear_pending_reply(&session.connection_id)
                    .await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the reply that is owed since `$connect`. `allowance` is what the connection may be sent.
    async fn send_pending_reply(
        &self,
        session: &Session,
        owed: &PendingReply,
        allowance: ReplayAllowance,
    ) -> Result<Paid, HandlerError> {
        let request_id = RequestId::new(self.clock.now(), random()).to_string();
        let job = self.jobs.load(&owed.job_id).await?.ok_or_else(forbidden)?;
        let after = owed.after_seq.unwrap_or(0);
        let cost = 1 + job.seq.saturating_sub(after);
        let burst = replay_burst(self.max_subscriptions);
        let charged = allowance
            .take(cost, burst, self.clock.millis())
            .map_err(limited)?;
        // Messages that come together are served together: one of them sends the reply.
        let connection_id = &session.connection_id;
        let charge = self
            .connections
            .charge_replay(connection_id, allowance, charged);
        if !charge.await? {
            return Ok(Paid::ByAnother);
        }
        self.send_subscribed_and_replay(session, &request_id, &job, after, None)
            .await?;
        Ok(Paid::Sent)
    }

    /// Stores the subscription at the `seq` that was read, then sends `subscribed` and the durable
    /// messages up to there. Those after it are the publisher's: each comes once.
    async fn subscribe(
        &self,
        session: &Session,
        request_id: &str,
        message: Subscribe,
    ) -> Result<(), HandlerError> {
        let request = session.wants(&message.job_id);
        let key = message.access_key.as_ref();
        let after = message.after_seq.unwrap_or(0);
        for attempt in 1..=LAST_ATTEMPT {
            let authorized = self.authorize(session, &message.job_id, key).await?;
            let from = authorized.unsent_after(after);
            if authorized.is_subscribed(self.clock.now()) && from >= authorized.job.seq {
                // A repeat. Nothing is stored, and the publisher need not read its list again.
                self.touch(session).await?;
                let sent = authorized.replayed();
                return self
                    .send_subscribed_and_replay(session, request_id, &authorized.job, after, sent)
                    .await;
            }
            let charged = authorized
                .charged(from, self.clock.millis())
                .map_err(limited)?;
            // A job that publishes faster than one can subscribe is watched all the same: then
            // its messages may come twice, which clients tell by their `seq`.
            let precondition = match attempt {
                ..STRICT_ATTEMPTS => Precondition::All,
                STRICT_ATTEMPTS..MOST_ATTEMPTS => Precondition::Log,
                MOST_ATTEMPTS.. => Precondition::Nothing,
            };
            let committed = self
                .subscriptions
                .commit(&request, &authorized, charged, precondition)
                .await?;
            if committed == CommitOutcome::Committed {
                let sent = authorized.replayed();
                let mut job = authorized.job;
                if precondition == Precondition::Nothing {
                    // What was published between the reading and the storing is nobody else's.
                    job = self.jobs.load(&job.job_id).await?.unwrap_or(job);
                }
                return self
                    .send_subscribed_and_replay(session, request_id, &job, after, sent)
                    .await;
            }
        }
        // Requests of this connection that are served at the same time got in first each time.
        Err(limited(ReplayLimited::contended()))
    }

    /// How the connection may watch the job, after the reply that is still owed to it.
    async fn authorize(
        &self,
        session: &Session,
        job_id: &JobId,
        access_key: Option<&AccessKey>,
    ) -> Result<Authorized, HandlerError> {
        let mut outcome = self.load_context(session, job_id, access_key).await?;
        if matches!(outcome, Err(SubscribeError::ReplyPending)) {
            self.touch(session).await?;
            outcome = self.load_context(session, job_id, access_key).await?;
        }
        // Another message of the client may be sending it.
        for _ in 0..REPLY_LOOKS {
            if !matches!(outcome, Err(SubscribeError::ReplyPending)) {
                break;
            }
            tokio::time::sleep(REPLY_LOOK_INTERVAL).await;
            outcome = self.load_context(session, job_id, access_key).await?;
        }
        outcome.map_err(|refused| match refused {
            SubscribeError::Forbidden => forbidden().into(),
            SubscribeError::TooMany => ProtocolError::new(
                ErrorCode::TooManySubscriptions,
                format!(
                    "this connection watches {} jobs, the most it may; unsubscribe from one, or \
                     open another connection",
                    self.max_subscriptions
                ),
            )
            .with_details(json!({ "max_subscriptions": self.max_subscriptions }))
            .into(),
            SubscribeError::NoConnection => HandlerError::Left,
            SubscribeError::ReplyPending => HandlerError::Internal(
                "the reply that is owed since $connect did not go out".to_owned(),
            ),
        })
    }

    async fn load_context(
        &self,
        session: &Session,
        job_id: &JobId,
        access_key: Option<&AccessKey>,
    ) -> Result<Result<Authorized, SubscribeError>, StoreError> {
        let connection_id = &session.connection_id;
        let context = self
            .subscriptions
            .load_context(connection_id, job_id)
            .await?;
        Ok(self
            .subscriptions
            .authorize(context, access_key, self.max_subscriptions))
    }

    /// Sends `subscribed` and the durable messages after `after`, up to the `seq` of `job`, but for
    /// those that an earlier request of the connection has `sent`.
    async fn send_subscribed_and_replay(
        &self,
        session: &Session,
        request_id: &str,
        job: &Job,
        after: u64,
        sent: Option<SentRange>,
    ) -> Result<(), HandlerError> {
        let after = SentRange::unsent_after(sent, after);
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
            Delivery::Sent { .. }
                if recovered && !events.is_empty() && self.replay(session, &events).await =>
            {
                let sent = SentRange::extended(sent, after, job.seq);
                let noted =
                    self.connections
                        .record_replay(&session.connection_id, &job.job_id, sent);
                if let Err(error) = noted.await {
                    tracing::warn!(%error, "a replay was not noted; a repeated subscribe repeats it");
                }
            }
            // Those who publish take the client to have what is in the log by now.
            Delivery::Spent { .. } if !events.is_empty() => {
                self.leave(session, &job.job_id, after, job.seq).await;
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
    ) -> Result<(), HandlerError> {
        // Not watching is what was asked for, whether the job was watched or not. A transaction whose
        // condition fails costs as much as one that is done, so it is not tried in vain.
        let (connection_id, job_id) = (&session.connection_id, &message.job_id);
        if self
            .connections
            .is_subscribed(connection_id, job_id)
            .await?
        {
            self.subscriptions
                .unsubscribe(connection_id, job_id)
                .await?;
        }
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
    ) -> Result<(), HandlerError> {
        self.authorized(session, &message.job_id, message.access_key.as_ref())
            .await?;
        let cancelled = self.canceller.cancel(&message.job_id).await;
        match cancelled.map_err(|error| HandlerError::Internal(error.to_string()))? {
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
    ) -> Result<(), HandlerError> {
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
    ) -> Result<Job, HandlerError> {
        match access_key {
            Some(key) => {
                let job = self.jobs.load(job_id).await?;
                Ok(job
                    .filter(|job| job.verify_access_key(key))
                    .ok_or_else(forbidden)?)
            }
            None if self
                .connections
                .is_subscribed(&session.connection_id, job_id)
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
