//! Publishes a job's messages: writes them to the tables, then sends them to the subscribers.

use std::sync::Arc;

use bytes::Bytes;
use granted_aws::{ConnectionsApi, Objects};
use raw_json::RawJson;
use stage_pipeline::Estimate;
use stagecast_contract::{
    buckets,
    limits::MAX_DIRECT_SUBSCRIBERS,
    messages::{JobStatus, Results, ServerMessage, StageComplete},
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs, Subscribers},
};
use typed_contract::{
    environment::WebSocketApi,
    functions::Function,
    grants::{
        GetItem, Granted, PostToConnection, PutItem, PutObject, Query, SendMessage, UpdateItem,
    },
};

use super::{
    Outgoing, Sender, Stores, Unfinished,
    connection_maintainer::{ConnectionMaintainer, MaintainsConnections},
    deferred_fan_out::DeferredFanOut,
    known_audience::{KnownAudience, Purpose},
    terminal_message::{MessageHeader, terminal_message},
};
use crate::{
    metrics,
    models::{Event, Job, Subscriber, TerminalState},
    retry::RetryPolicy,
    stores::{Appended, Commit, Lease, ProgressPoint, ResultStore, StoreError},
};

/// A message could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Another run has claimed the job, or the job has ended. The run must not write any more.
    #[error("the job was claimed by another run, or has ended")]
    LeaseLost,
    /// Another request under the same lease has written another message at this `seq`.
    #[error("the job has another message at seq {seq}, written under the same lease")]
    Conflict {
        /// The position in the log.
        seq: u64,
    },
    /// A call to a table or to the bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state of the job's item after a message was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseStatus {
    /// The job's status. The job may have ended, if the message was committed without the lease.
    pub status: JobStatus,
    /// Whether a client has requested the cancellation.
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

/// The result of a progress update of an external worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The update is the job's progress now.
    Reported(LeaseStatus),
    /// The job has newer progress: the worker's requests may arrive late or twice.
    Outdated(LeaseStatus),
    /// The job has ended under the worker's claim.
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

/// The numbers of the attempts that one claim makes at the job's stages.
#[derive(Debug)]
struct Attempts {
    /// The stage that was running when the job was read, and the number of this claim's attempt at it.
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

/// The grants of a function that publishes.
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

    /// Publishes the progress of a stage with one write. Posts that fail are not repeated, because the next
    /// update replaces this one.
    pub async fn report(&mut self, point: &ProgressPoint) -> Result<LeaseStatus, PublishError> {
        let _pause = self.sender.pause_posts();
        self.deferred.send().await;
        let attempt = self.attempts.at(&point.stage);
        let job = self.stores.jobs.report(&self.lease, attempt, point).await?;
        let job = job.ok_or(PublishError::LeaseLost)?;
        // A live run reports again.
        self.fan_out_progress(&job, Purpose::NextReportFollows)
            .await
    }

    /// Sends the progress in the job's item to the subscribers.
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

    /// Publishes the progress of an external worker's stage, and stores the estimate of its remaining time,
    /// with one write.
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
            // The worker's next report may be long in coming.
            let reached = self.fan_out_progress(&job, Purpose::Complete).await;
            return reached.map(ReportOutcome::Reported);
        }
        // The job's item shows which condition failed.
        match self.stores.jobs.load(&self.lease.job_id).await? {
            Some(job) if job.epoch != self.lease.epoch => Err(PublishError::LeaseLost),
            Some(job) if job.status.has_ended() => Ok(ReportOutcome::Ended(job.status)),
            Some(job) => Ok(ReportOutcome::Outdated(LeaseStatus::of(&job))),
            None => Err(PublishError::LeaseLost),
        }
    }

    /// Renews the lease without a message, with one write.
    pub async fn renew(&self) -> Result<LeaseStatus, PublishError> {
        let job = self.stores.jobs.renew(&self.lease).await?;
        Ok(LeaseStatus::of(&job.ok_or(PublishError::LeaseLost)?))
    }

    /// Reads, without a message, whether the run still holds the lease and whether the job is cancelled.
    pub async fn poll_cancellation(&self) -> Result<LeaseStatus, PublishError> {
        match self.stores.jobs.load(&self.lease.job_id).await? {
            Some(job) if job.epoch == self.lease.epoch && !job.status.has_ended() => {
                Ok(LeaseStatus::of(&job))
            }
            _ => Err(PublishError::LeaseLost),
        }
    }

    /// Publishes the results of a stage. `overall` is the percentage of all stages after it, if known. The
    /// results are in the log or in the bucket before they are sent.
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

    /// Publishes the end of the job. `stage` is the stage that was running, if any; `results` are those of a
    /// completed job.
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

    /// Publishes the message that an earlier run has logged but not committed. Returns whether there was
    /// one. A `worker_lost` of the watchdog is discarded: the job continues, and its next message overwrites
    /// it.
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

    /// Waits until all messages are sent or deferred, and logs the metrics.
    pub async fn flush(&mut self) {
        self.deferred.send().await;
        self.deferred.retry_failed().await;
        let counts = self.sender.flush().await;
        let (job_id, subscribers) = (self.lease.job_id.as_str(), self.direct().len());
        metrics::delivered::<F>(&self.stores.clock, job_id, subscribers, &counts);
    }

    /// [`Self::flush`] for at most the function's retry budget. Connections with unsent messages are then
    /// deferred to the delivery function, with all messages after `after_seq`.
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

    /// Writes a durable message to the log, commits it and sends it.
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
            // An attempt whose response was lost. It may be committed, so it is not replaced.
            Appended::Earlier(earlier) if earlier.has_same_content(&message) => earlier.message,
            Appended::Earlier(earlier) => {
                // The job was cancelled while its worker was silent, and the worker returned before that
                // was committed. The cancellation stays at this `seq`.
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

    /// Commits a durable message that is in the log, and sends it.
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

    /// Sends a durable message. `job` is the result of its commit.
    async fn fan_out_event(
        &mut self,
        job: Option<Job>,
        message: String,
    ) -> Result<LeaseStatus, PublishError> {
        let job = job.ok_or(PublishError::LeaseLost)?;
        self.seq += 1;
        // The message is committed, so a failure from here on must not be an error.
        if let Err(error) = self.update_audience(&job, Purpose::Complete).await {
            tracing::error!(
                job_id = %self.lease.job_id,
                seq = self.seq,
                %error,
                "the subscribers could not be read; the delivery function will send the message",
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

    /// Reads the list of subscribers again if it is stale for `purpose`. No read is made while the job's
    /// `subscribers_version` is unchanged.
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

/// The last connection that is posted to directly, if others follow, which the delivery function posts to.
fn beyond(audience: Option<&KnownAudience>) -> Option<&str> {
    audience?.more_after.as_deref()
}
