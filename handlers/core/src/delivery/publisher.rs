//! A job's messages: written first, then sent to whoever watches.

use std::sync::Arc;

use bytes::Bytes;
use contract::{
    buckets,
    environment::WebSocketApi,
    functions::Function,
    grants::{
        GetItem, Granted, PostToConnection, PutItem, PutObject, Query, SendMessage, UpdateItem,
    },
    json::RawJson,
    limits::MAX_DIRECT_SUBSCRIBERS,
    messages::{JobStatus, Results, ServerMessage, StageComplete},
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs, Subscribers},
};

use super::{
    Outgoing, Sender, Stores, Unfinished,
    connection_maintainer::{ConnectionMaintainer, MaintainsConnections},
    deferred_fan_out::DeferredFanOut,
    known_audience::{KnownAudience, Purpose},
    terminal_message::{MessageHeader, terminal_message},
};
use crate::{
    aws::{ConnectionsApi, Objects},
    metrics,
    models::{Event, Job, Subscriber, TerminalState},
    progress::Estimate,
    retry::RetryPolicy,
    stores::{Appended, Commit, Lease, ProgressPoint, ResultStore, StoreError},
};

/// A message could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Another run has claimed the job; this one must stop writing.
    #[error("the job was claimed by another run, or has ended")]
    LeaseLost,
    /// The holder of the lease has written something else there, at the same time.
    #[error("the job has another message at seq {seq}, written under the same lease")]
    Conflict {
        /// The place in the log.
        seq: u64,
    },
    /// A table or the bucket did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the job's item said when a message was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseStatus {
    /// Where the job is in its life. It may have ended without the lease, after the message was
    /// committed without it.
    pub status: JobStatus,
    /// Whether someone has asked the job to stop.
    pub cancel_requested: bool,
}

impl LeaseStatus {
    fn of(job: &Job) -> Self {
        Self {
            status: job.status,
            cancel_requested: job.cancel_requested,
        }
    }
}

/// What became of a progress update of an external worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// It is the job's progress now.
    Reported(LeaseStatus),
    /// The job has passed it: the worker's posts may come late or twice.
    Outdated(LeaseStatus),
    /// The job has ended under the worker's claim, with this status.
    Ended(JobStatus),
}

/// Publishes the messages of one run of one job.
#[derive(Debug)]
pub struct Publisher<F: Function> {
    stores: Arc<Stores<F>>,
    results: ResultStore<F>,
    sender: Sender<ConnectionsApi<F>, ConnectionMaintainer<F>>,
    lease: Lease,
    seq: u64,
    correlation_id: String,
    expires_at: i64,
    attempts: Attempts,
    audience: Option<KnownAudience>,
    deferred: DeferredFanOut<F>,
}

/// The attempts at the job's stages that one claim makes.
#[derive(Debug)]
struct Attempts {
    /// The stage that was running when the job was read, and the claim's attempt at it.
    running: Option<(String, u32)>,
}

impl Attempts {
    fn of(job: &Job) -> Self {
        let attempt = |stage: &String| (stage.clone(), job.attempt_at(stage, job.epoch));
        Self {
            running: job.stage.as_ref().map(attempt),
        }
    }

    fn at(&self, stage: &str) -> u32 {
        match &self.running {
            Some((running, attempt)) if running == stage => *attempt,
            _ => 1,
        }
    }
}

/// The grants that publishing takes. A function that publishes holds them all.
pub trait Publishes:
    Function
    + Granted<GetItem<Jobs>>
    + Granted<UpdateItem<Jobs>>
    + Granted<PutItem<JobEvents>>
    + Granted<Query<JobEvents>>
    + Granted<Query<Subscribers>>
    + Granted<PutObject<buckets::Objects>>
    + Granted<SendMessage<DeliveryQueue>>
    + Granted<PostToConnection<WebSocketApi>>
    + MaintainsConnections
{
}

impl<F> Publishes for F where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
        + Granted<Query<Subscribers>>
        + Granted<PutObject<buckets::Objects>>
        + Granted<SendMessage<DeliveryQueue>>
        + Granted<PostToConnection<WebSocketApi>>
        + MaintainsConnections
{
}

impl<F: Publishes> Publisher<F> {
    /// A publisher for the run that has claimed `job`. Large results are stored in the bucket of
    /// `objects`.
    pub fn new(stores: Arc<Stores<F>>, objects: &Objects<F>, job: &Job, lease: Lease) -> Self {
        let sender = Sender::new(
            stores.api.clone(),
            ConnectionMaintainer::new(stores.connections.clone(), stores.queues.clone()),
            RetryPolicy::post::<F>(),
            stores.clock.clone(),
        );
        let deferred = DeferredFanOut::new(Arc::clone(&stores), job.job_id.clone());
        Self {
            stores,
            results: ResultStore::new(objects.clone()),
            sender,
            lease,
            seq: job.seq,
            correlation_id: job.correlation_id.clone(),
            expires_at: job.expires_at,
            attempts: Attempts::of(job),
            audience: None,
            deferred,
        }
    }

    /// The claim that the publisher writes under.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The `seq` of the last durable message.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Publishes how far a stage is. One write; whoever cannot be reached now gets the next one.
    pub async fn report(&mut self, point: &ProgressPoint) -> Result<LeaseStatus, PublishError> {
        let _pause = self.sender.pause_posts();
        self.deferred.send().await;
        let attempt = self.attempts.at(&point.stage);
        let job = self.stores.jobs.report(&self.lease, attempt, point).await?;
        let job = job.ok_or(PublishError::LeaseLost)?;
        // A run reports as long as it lives.
        self.fan_out_progress(&job, Purpose::NextReportFollows)
            .await
    }

    /// Sends how far a stage is, which is in the job's item, to the job's subscribers.
    async fn fan_out_progress(
        &mut self,
        job: &Job,
        purpose: Purpose,
    ) -> Result<LeaseStatus, PublishError> {
        let lease_status = LeaseStatus::of(job);
        self.update_audience(job, purpose).await?;
        let Some(update) = job.progress_update() else {
            return Ok(lease_status);
        };
        let outgoing = Outgoing::Latest {
            message: Bytes::from(ServerMessage::ProgressUpdate(update).to_json()),
        };
        for subscriber in self.direct() {
            self.sender.send(subscriber, outgoing.clone());
        }
        if let Some(beyond) = beyond(self.audience.as_ref()) {
            self.deferred.progress(beyond, self.seq).await;
        }
        Ok(lease_status)
    }

    /// Publishes how far a stage of an external worker is, and what its remaining time is estimated
    /// from. One write.
    pub async fn report_if_newer(
        &mut self,
        point: &ProgressPoint,
        estimate: &Estimate,
    ) -> Result<ReportOutcome, PublishError> {
        let _pause = self.sender.pause_posts();
        self.deferred.send().await;
        let jobs = &self.stores.jobs;
        let attempt = self.attempts.at(&point.stage);
        let advanced = jobs.report_if_newer(&self.lease, self.seq, attempt, point, estimate);
        if let Some(job) = advanced.await? {
            // A worker may not say so again for long.
            let reached = self.fan_out_progress(&job, Purpose::Complete).await;
            return reached.map(ReportOutcome::Reported);
        }
        // Which condition failed: the job says.
        match self.stores.jobs.load(&self.lease.job_id).await? {
            Some(job) if job.epoch != self.lease.epoch => Err(PublishError::LeaseLost),
            Some(job) if job.status.has_ended() => Ok(ReportOutcome::Ended(job.status)),
            Some(job) => Ok(ReportOutcome::Outdated(LeaseStatus::of(&job))),
            None => Err(PublishError::LeaseLost),
        }
    }

    /// Renews the lease without a message. One write.
    pub async fn renew(&self) -> Result<LeaseStatus, PublishError> {
        let job = self.stores.jobs.renew(&self.lease).await?;
        Ok(LeaseStatus::of(&job.ok_or(PublishError::LeaseLost)?))
    }

    /// Asks, without a message, whether the job is still this run's and should go on. One read.
    pub async fn poll_cancellation(&self) -> Result<LeaseStatus, PublishError> {
        match self.stores.jobs.load(&self.lease.job_id).await? {
            Some(job) if job.epoch == self.lease.epoch && !job.status.has_ended() => {
                Ok(LeaseStatus::of(&job))
            }
            _ => Err(PublishError::LeaseLost),
        }
    }

    /// Publishes the results of a stage, after which the job is `overall` percent done, if that is
    /// known. They are in the log, or in the bucket, before anyone is told.
    pub async fn finish_stage(
        &mut self,
        stage: &str,
        overall: Option<u8>,
        results: RawJson,
    ) -> Result<(LeaseStatus, Results), PublishError> {
        let results = self
            .results
            .pack(&self.lease.job_id, stage, results)
            .await?;
        let message = ServerMessage::StageComplete(StageComplete {
            job_id: self.lease.job_id.clone(),
            stage: stage.to_owned(),
            results: results.clone(),
            timestamp: self.stores.clock.now(),
            seq: self.seq + 1,
            correlation_id: self.correlation_id.clone(),
        });
        let lease_status = self
            .publish(message.to_json(), &Commit::Stage(stage.to_owned(), overall))
            .await?;
        Ok((lease_status, results))
    }

    /// Publishes the end of the job. `stage` is the one that was running, if one was; `results`
    /// are a completed job's.
    pub async fn end(
        &mut self,
        terminal_state: &TerminalState,
        stage: Option<&str>,
        results: Option<Results>,
    ) -> Result<(), PublishError> {
        let message = terminal_message(
            terminal_state,
            MessageHeader {
                job_id: self.lease.job_id.clone(),
                seq: self.seq + 1,
                correlation_id: self.correlation_id.clone(),
                timestamp: self.stores.clock.now(),
            },
            stage,
            results,
        );
        let commit = Commit::End(terminal_state.clone());
        self.publish(message.to_json(), &commit).await?;
        Ok(())
    }

    /// Publishes a message that an earlier run has written to the log but did not get to commit.
    /// Answers with whether there was one. The watchdog's failure of an earlier worker is not one: the
    /// job goes on, and its next message overwrites it.
    pub async fn recover(&mut self) -> Result<bool, PublishError> {
        let next = self.seq + 1;
        let Some(event) = self.stores.events.at(&self.lease.job_id, next).await? else {
            return Ok(false);
        };
        if event.is_outdated_for(self.lease.epoch) {
            return Ok(false);
        }
        let commit = Commit::of_logged(&event.message)?;
        self.publish(event.message, &commit).await?;
        Ok(true)
    }

    /// Waits until nothing is on its way to any subscriber, and writes what became of it as metrics.
    pub async fn flush(&mut self) {
        self.deferred.send().await;
        self.deferred.retry_failed().await;
        let counts = self.sender.flush().await;
        let (job_id, subscribers) = (self.lease.job_id.as_str(), self.direct().len());
        metrics::delivered::<F>(&self.stores.clock, job_id, subscribers, &counts);
    }

    /// [`Self::flush`] for no longer than the function has for sending. What is still on its way
    /// then is left to the delivery function, with all that came after `after_seq`.
    pub async fn flush_within_budget(&mut self, after_seq: u64) {
        self.deferred.send().await;
        let limit = RetryPolicy::post::<F>().total;
        let (counts, unfinished) = self.sender.flush_within(limit).await;
        let (job_id, subscribers) = (self.lease.job_id.as_str(), self.direct().len());
        metrics::delivered::<F>(&self.stores.clock, job_id, subscribers, &counts);
        let sent = |connection: &Unfinished| connection.sent_seq.unwrap_or(0).max(after_seq);
        if let Some(after_seq) = unfinished.iter().map(sent).min()
            && self.seq > after_seq
        {
            let connections = unfinished.into_iter().map(|it| it.connection_id).collect();
            self.deferred.log(connections, after_seq, self.seq).await;
        }
        self.deferred.retry_failed().await;
    }

    /// Writes a durable message to the log, commits it to the job, sends it.
    async fn publish(
        &mut self,
        message: String,
        commit: &Commit,
    ) -> Result<LeaseStatus, PublishError> {
        let _pause = self.sender.pause_posts();
        let event = Event {
            job_id: self.lease.job_id.clone(),
            seq: self.seq + 1,
            epoch: self.lease.epoch,
            message: message.clone(),
            expires_at: self.expires_at,
        };
        let message = match self.stores.events.append(&event).await? {
            Appended::Written => message,
            // An attempt whose answer was lost. It may be committed, so it is what stays.
            Appended::Earlier(earlier) if earlier.has_same_content(&message) => earlier.message,
            Appended::Earlier(earlier) => {
                // The job was cancelled while its worker was silent, and that was not
                // committed when the worker came back: nothing else can be at this place any more.
                let Some(terminal_state) = earlier.terminal_state_without_lease() else {
                    return Err(PublishError::Conflict { seq: event.seq });
                };
                self.commit(earlier.message, &Commit::End(terminal_state))
                    .await?;
                return Err(PublishError::LeaseLost);
            }
            Appended::Later => return Err(PublishError::LeaseLost),
        };
        self.commit(message, commit).await
    }

    /// Commits a durable message that is in the log to the job, sends it.
    async fn commit(
        &mut self,
        message: String,
        commit: &Commit,
    ) -> Result<LeaseStatus, PublishError> {
        let (jobs, seq) = (&self.stores.jobs, self.seq + 1);
        let job = match commit {
            Commit::Stage(stage, overall) => {
                let lease = &self.lease;
                let attempt = self.attempts.at(stage);
                jobs.finish_stage(lease, stage, attempt, *overall, seq)
                    .await?
            }
            Commit::End(terminal_state) => jobs.end(&self.lease, terminal_state, seq).await?,
        };
        self.fan_out_event(job, message).await
    }

    /// Sends a durable message whose commit answered with `job`.
    async fn fan_out_event(
        &mut self,
        job: Option<Job>,
        message: String,
    ) -> Result<LeaseStatus, PublishError> {
        let job = job.ok_or(PublishError::LeaseLost)?;
        self.seq += 1;
        // The message is committed: a failure from here on must not look as if it were not.
        if let Err(error) = self.update_audience(&job, Purpose::Complete).await {
            tracing::error!(
                job_id = %self.lease.job_id,
                seq = self.seq,
                %error,
                "the subscribers could not be read; the delivery function sends the message",
            );
            self.deferred.published_to_unknown(self.seq).await;
            return Ok(LeaseStatus::of(&job));
        }
        let outgoing = Outgoing::Durable {
            seq: self.seq,
            message: Bytes::from(message),
        };
        for subscriber in self.direct() {
            if self.seq > subscriber.at_seq {
                self.sender.send(subscriber, outgoing.clone());
            }
        }
        if let Some(beyond) = beyond(self.audience.as_ref()) {
            self.deferred.published(beyond, self.seq).await;
        }
        if job.status.has_ended() {
            self.deferred.send().await;
        }
        Ok(LeaseStatus::of(&job))
    }

    fn direct(&self) -> &[Subscriber] {
        self.audience.as_ref().map_or(&[], |known| &known.direct)
    }

    /// Makes the list of subscribers exact, as far as `purpose` needs it. It costs no read while the
    /// job's item shows the version that is known.
    async fn update_audience(&mut self, job: &Job, purpose: Purpose) -> Result<(), StoreError> {
        let now = self.stores.clock.now();
        let version = job.subscribers_version;
        if let Some(known) = &self.audience
            && !known.is_stale(version, now, purpose)
        {
            return Ok(());
        }
        let page = self
            .stores
            .subscriptions
            .page(&self.lease.job_id, None, MAX_DIRECT_SUBSCRIBERS)
            .await?;
        self.sender.keep_only(&page.subscribers);
        let known = KnownAudience::read_now(job, page.subscribers, page.more_after);
        self.audience = Some(known);
        Ok(())
    }
}

/// The last connection that is posted to directly, when others follow: those are the delivery
/// function's.
fn beyond(audience: Option<&KnownAudience>) -> Option<&str> {
    audience?.more_after.as_deref()
}
