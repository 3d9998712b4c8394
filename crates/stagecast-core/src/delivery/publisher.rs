//! Publishes a job's messages: writes them to the tables, then sends them to the subscribers.

use std::sync::Arc;

use bytes::Bytes;
use granted_aws::{AudienceApi, Objects};
use raw_json::RawJson;
use stage_pipeline::StageCheckpoint;
use stagecast_contract::{
    buckets,
    limits::MAX_DIRECT_SUBSCRIBERS,
    messages::{Artifact, JobStatus, Results, ServerMessage, StageComplete},
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs, Subscribers},
    timestamp::Timestamp,
    webhooks::JobWebhook,
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
    owner_feed::OwnerFeed,
    terminal_message::{MessageHeader, terminal_message},
    webhook_task::queue_before_commit,
};
use crate::{
    metrics,
    models::{Event, Job, StoredArtifacts, Subscriber, TerminalState, TooManyArtifacts},
    retry::RetryPolicy,
    stores::{
        Appended, CheckpointStore, Commit, Lease, ProgressPoint, ProgressWrite, Recorded,
        ResultStore, Saved, StoreError, WorkerReport,
    },
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
    checkpoints: CheckpointStore<F>,
    /// The number of checkpoints stored under the lease.
    checkpoint_count: u64,
    artifacts: KnownArtifacts,
    sender: Sender<AudienceApi<F>, ConnectionMaintainer<F>>,
    lease: Lease,
    seq: u64,
    is_claimed_in_time: bool,
    correlation_id: String,
    expires_at: i64,
    webhook: Option<JobWebhook>,
    attempts: Attempts,
    audience: Option<KnownAudience>,
    deferred: DeferredFanOut<F>,
    feed: OwnerFeed<F>,
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

/// The artifacts of the job, as far as they were read.
#[derive(Debug)]
struct KnownArtifacts {
    /// The number of changes to them.
    revision: u64,
    /// None before they are read.
    read: Option<StoredArtifacts>,
}

impl KnownArtifacts {
    const fn unread(revision: u64) -> Self {
        let read = None;
        Self { revision, read }
    }

    const fn read(artifacts: StoredArtifacts) -> Self {
        Self {
            revision: artifacts.revision,
            read: Some(artifacts),
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
            stores.api.for_audiences(),
            ConnectionMaintainer::new(stores.connections.clone(), stores.queues.clone()),
            RetryPolicy::post::<F>(),
            stores.clock.clone(),
        );
        let deferred = DeferredFanOut::new(Arc::clone(&stores), job.job_id.clone());
        let feed = OwnerFeed::new(Arc::clone(&stores), job);
        Self {
            checkpoints: CheckpointStore::new(stores.events.clone(), objects.clone()),
            checkpoint_count: 0,
            artifacts: KnownArtifacts::unread(job.artifacts_revision),
            stores,
            results: ResultStore::new(objects.clone()),
            sender,
            lease,
            seq: job.seq,
            is_claimed_in_time: job.is_claimed_in_time(),
            correlation_id: job.correlation_id.clone(),
            expires_at: job.expires_at,
            webhook: job.webhook.clone(),
            attempts: Attempts::of(job),
            audience: None,
            deferred,
            feed,
        }
    }

    /// Uses the artifacts of `job`, which was just read, if other requests have changed them since the
    /// publisher read them.
    pub fn refresh_artifacts(&mut self, job: &Job) {
        if self.artifacts.revision != job.artifacts_revision {
            self.artifacts = KnownArtifacts::unread(job.artifacts_revision);
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
        self.write_progress(point, ProgressWrite::Report).await
    }

    /// Stores a checkpoint of a stage and publishes its progress, with two writes; a large state is another
    /// write to the bucket.
    pub async fn checkpoint(
        &mut self,
        checkpoint: &StageCheckpoint,
        point: &ProgressPoint,
    ) -> Result<LeaseStatus, PublishError> {
        let count = self.checkpoint_count;
        let saved = self
            .checkpoints
            .save(&self.lease, self.seq, count, checkpoint, self.expires_at)
            .await?;
        if saved == Saved::LeaseLost {
            return Err(PublishError::LeaseLost);
        }
        self.checkpoint_count += 1;
        self.write_progress(point, ProgressWrite::Checkpoint).await
    }

    /// Attaches an artifact of a stage, whose content is in the bucket, to the job. One of the same name is
    /// replaced. One transaction, under the lease.
    pub async fn attach(
        &mut self,
        stage: &str,
        artifact: &Artifact,
    ) -> Result<Result<(), TooManyArtifacts>, PublishError> {
        let _pause = self.sender.pause_posts();
        let attached = std::slice::from_ref(artifact);
        loop {
            let changed = match self.artifacts().await?.with(Some(stage), attached) {
                Ok(Some(changed)) => changed,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            match self.stores.artifacts.record(&self.lease, &changed).await? {
                Recorded::Recorded => {
                    self.artifacts = KnownArtifacts::read(changed);
                    return Ok(Ok(()));
                }
                Recorded::Outdated(current) => self.artifacts = KnownArtifacts::read(*current),
                Recorded::LeaseLost => return Err(PublishError::LeaseLost),
            }
        }
    }

    /// The artifacts of the job so far.
    async fn artifacts(&mut self) -> Result<&StoredArtifacts, StoreError> {
        let KnownArtifacts { revision, read } = &mut self.artifacts;
        if read.is_none() {
            let (job_id, expires_at) = (&self.lease.job_id, self.expires_at);
            let store = &self.stores.artifacts;
            *read = Some(store.load_revision(job_id, *revision, expires_at).await?);
        }
        let none = || StoredArtifacts::none(self.lease.job_id.clone(), self.expires_at);
        Ok(read.get_or_insert_with(none))
    }

    /// The list of the job's artifacts after `commit`; none if the commit does not change it.
    async fn artifacts_after(
        &mut self,
        commit: &Commit,
    ) -> Result<Option<StoredArtifacts>, StoreError> {
        let (stage, listed) = commit.listed();
        if listed.is_empty() {
            return Ok(None);
        }
        let changed = self.artifacts().await?.with_listed(stage, listed);
        changed.map_err(|error| StoreError::Call {
            operation: "committing artifacts",
            cause: error.to_string(),
        })
    }

    /// Publishes that the stage is attempted again, with one write. `point` is the progress at which
    /// `attempt` starts.
    pub async fn retry(
        &mut self,
        attempt: u32,
        point: &ProgressPoint,
        at: Timestamp,
        max_attempts: u32,
    ) -> Result<LeaseStatus, PublishError> {
        self.attempts.running = Some((point.stage.clone(), attempt));
        let write = ProgressWrite::Retry { at, max_attempts };
        self.write_progress(point, write).await
    }

    async fn write_progress(
        &mut self,
        point: &ProgressPoint,
        write: ProgressWrite,
    ) -> Result<LeaseStatus, PublishError> {
        let _pause = self.sender.pause_posts();
        self.send_deferred().await;
        let attempt = self.attempts.at(&point.stage);
        let jobs = &self.stores.jobs;
        let job = jobs.report(&self.lease, attempt, point, write).await?;
        let job = job.ok_or(PublishError::LeaseLost)?;
        // A live run reports again.
        self.fan_out_progress(&job, Purpose::NextReportFollows)
            .await
    }

    /// Queues the tasks for the published messages that are pending.
    async fn send_deferred(&mut self) {
        self.deferred.send().await;
        self.feed.send().await;
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
        self.send_progress_to_feed(&outgoing).await;
        Ok(lease_status)
    }

    /// Sends progress to the feed of the job's owner. A failed read is only logged: a later update replaces this one.
    async fn send_progress_to_feed(&mut self, outgoing: &Outgoing) {
        if !self.feed.is_progress_due() {
            return;
        }
        if let Err(error) = self.read_feed().await {
            tracing::warn!(job_id = %self.lease.job_id, %error, "the owner's feed gets no progress for now");
            return;
        }
        for subscriber in self.feed.beside(self.direct()) {
            self.sender.send(subscriber, outgoing.clone());
        }
        self.feed.progress(self.seq).await;
    }

    /// Publishes the progress of an external worker's stage, and stores the estimate of its remaining time,
    /// with one write.
    pub async fn report_if_newer(
        &mut self,
        report: &WorkerReport,
    ) -> Result<ReportOutcome, PublishError> {
        self.write_report(report, true).await
    }

    /// Stores a checkpoint of an external worker's stage, and the progress in `report`, with two writes; a large
    /// state is another write to the bucket. `number` is the checkpoint's among those since the last durable
    /// event, if the worker counts them. Subscribers receive the progress if `is_progress_new`.
    pub async fn checkpoint_if_newer(
        &mut self,
        checkpoint: &StageCheckpoint,
        number: Option<u64>,
        report: &WorkerReport,
        is_progress_new: bool,
    ) -> Result<ReportOutcome, PublishError> {
        let (lease, seq) = (&self.lease, self.seq);
        let saved = self
            .checkpoints
            .save_posted(lease, seq, number, checkpoint, self.expires_at);
        match saved.await? {
            Saved::Saved => self.write_report(report, is_progress_new).await,
            Saved::Outdated => self.unreported().await,
            Saved::LeaseLost => Err(PublishError::LeaseLost),
        }
    }

    async fn write_report(
        &mut self,
        report: &WorkerReport,
        is_progress_new: bool,
    ) -> Result<ReportOutcome, PublishError> {
        let _pause = self.sender.pause_posts();
        self.send_deferred().await;
        let jobs = &self.stores.jobs;
        let reported = jobs.report_if_newer(&self.lease, self.seq, report);
        if let Some(job) = reported.await? {
            self.attempts.running = Some((report.point.stage.clone(), report.attempt));
            if !is_progress_new {
                return Ok(ReportOutcome::Reported(LeaseStatus::of(&job)));
            }
            // The worker's next report may be long in coming.
            let reached = self.fan_out_progress(&job, Purpose::Complete).await;
            return reached.map(ReportOutcome::Reported);
        }
        self.unreported().await
    }

    /// Why a report was not written: the job's item shows it.
    async fn unreported(&self) -> Result<ReportOutcome, PublishError> {
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
    /// results are in the log or in the bucket before they are sent. The message lists the artifacts that the
    /// stage has attached.
    pub async fn finish_stage(
        &mut self,
        stage: &str,
        overall: Option<u8>,
        results: RawJson,
    ) -> Result<(LeaseStatus, Results), PublishError> {
        let artifacts = self.artifacts().await?.of_stage(stage);
        self.publish_stage(stage, overall, results, artifacts).await
    }

    /// [`Self::finish_stage`] for an external worker, whose event lists the artifacts of the stage. They belong
    /// to the job with the commit of the event, in one transaction.
    pub async fn finish_stage_listing(
        &mut self,
        stage: &str,
        overall: Option<u8>,
        results: RawJson,
        artifacts: &[Artifact],
    ) -> Result<Result<(LeaseStatus, Results), TooManyArtifacts>, PublishError> {
        if let Err(error) = self.artifacts().await?.with_listed(Some(stage), artifacts) {
            return Ok(Err(error));
        }
        let published = self.publish_stage(stage, overall, results, artifacts.to_vec());
        published.await.map(Ok)
    }

    async fn publish_stage(
        &mut self,
        stage: &str,
        overall: Option<u8>,
        results: RawJson,
        artifacts: Vec<Artifact>,
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
            artifacts: artifacts.clone(),
        });
        let commit = Commit::Stage {
            stage: stage.to_owned(),
            overall,
            artifacts,
        };
        let lease_status = self.publish(message.to_json(), &commit).await?;
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
        let artifacts = match terminal_state {
            TerminalState::Completed => self.artifacts().await?.all(),
            TerminalState::Failed(_) | TerminalState::Cancelled => Vec::new(),
        };
        self.publish_end(terminal_state, stage, results, artifacts)
            .await
    }

    /// Publishes the completion of an external worker's job, whose event lists artifacts beyond those of the
    /// stages. They belong to the job with the commit of the event, in one transaction.
    pub async fn complete_listing(
        &mut self,
        results: Option<Results>,
        artifacts: &[Artifact],
    ) -> Result<Result<(), TooManyArtifacts>, PublishError> {
        let known = self.artifacts().await?;
        let all = match known.with_listed(None, artifacts) {
            Ok(changed) => changed.as_ref().unwrap_or(known).all(),
            Err(error) => return Ok(Err(error)),
        };
        let completed = TerminalState::Completed;
        let published = self.publish_end(&completed, None, results, all);
        published.await.map(Ok)
    }

    async fn publish_end(
        &mut self,
        terminal_state: &TerminalState,
        stage: Option<&str>,
        results: Option<Results>,
        artifacts: Vec<Artifact>,
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
            artifacts.clone(),
        );
        let commit = Commit::End {
            state: terminal_state.clone(),
            artifacts,
        };
        self.publish(message.to_json(), &commit).await?;
        Ok(())
    }

    /// Publishes the message that an earlier run has logged but not committed. Returns whether there was
    /// one. A failure of the watchdog that the claim has overtaken is discarded: the job continues, and its
    /// next message overwrites it.
    pub async fn recover(&mut self) -> Result<bool, PublishError> {
        let next = self.seq + 1;
        let Some(event) = self.stores.events.at(&self.lease.job_id, next).await? else {
            return Ok(false);
        };
        if event.is_outdated_for(self.lease.epoch, self.is_claimed_in_time) {
            return Ok(false);
        }
        let commit = Commit::of_logged(&event.message)?;
        self.publish(event.message, &commit).await?;
        Ok(true)
    }

    /// Waits until all messages are sent or deferred, and logs the metrics.
    pub async fn flush(&mut self) {
        self.send_deferred().await;
        self.retry_deferred().await;
        let counts = self.sender.flush().await;
        let (job_id, subscribers) = (self.lease.job_id.as_str(), self.direct_count());
        metrics::delivered::<F>(&self.stores.clock, job_id, subscribers, &counts);
    }

    /// [`Self::flush`] for at most the function's retry budget. Connections with unsent messages are then
    /// deferred to the delivery function, with all messages after `after_seq`.
    pub async fn flush_within_budget(&mut self, after_seq: u64) {
        self.send_deferred().await;
        let limit = RetryPolicy::post::<F>().total;
        let (counts, unfinished) = self.sender.flush_within(limit).await;
        let (job_id, subscribers) = (self.lease.job_id.as_str(), self.direct_count());
        metrics::delivered::<F>(&self.stores.clock, job_id, subscribers, &counts);
        let sent = |connection: &Unfinished| connection.sent_seq.unwrap_or(0).max(after_seq);
        if let Some(after_seq) = unfinished.iter().map(sent).min()
            && self.seq > after_seq
        {
            for recipients in self.feed.recipients(unfinished, self.direct()) {
                self.deferred.log(recipients, after_seq, self.seq).await;
            }
        }
        self.retry_deferred().await;
    }

    /// Queues again the tasks for durable messages that the queue did not take.
    async fn retry_deferred(&mut self) {
        self.deferred.retry_failed().await;
        self.feed.retry_failed().await;
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
                self.commit(earlier.message, &Commit::end(terminal_state))
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
        let listed = self.artifacts_after(commit).await?;
        let (jobs, lease, seq) = (&self.stores.jobs, &self.lease, self.seq + 1);
        let (queues, webhook) = (&self.stores.queues, self.webhook.as_ref());
        queue_before_commit(queues, &lease.job_id, webhook, commit, seq).await?;
        let job = match commit {
            Commit::Stage { stage, overall, .. } => {
                let attempt = self.attempts.at(stage);
                jobs.finish_stage(lease, stage, attempt, *overall, seq, listed.as_ref())
                    .await?
            }
            Commit::End { state, .. } => jobs.end(lease, state, seq, listed.as_ref()).await?,
        };
        if let (Some(job), Some(listed)) = (&job, listed) {
            let is_written = job.artifacts_revision == listed.revision;
            self.artifacts = if is_written {
                KnownArtifacts::read(listed)
            } else {
                KnownArtifacts::unread(job.artifacts_revision)
            };
        }
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
        if let Err(error) = self.update_recipients(&job).await {
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
        for subscriber in self.feed.beside(self.direct()) {
            self.sender.send(subscriber, outgoing.clone());
        }
        if let Some(beyond) = beyond(self.audience.as_ref()) {
            self.deferred.published(beyond, self.seq).await;
        }
        self.feed.published(self.seq).await;
        if job.status.has_ended() {
            self.send_deferred().await;
        }
        Ok(LeaseStatus::of(&job))
    }

    /// Reads the lists of subscribers that are stale for a durable message.
    async fn update_recipients(&mut self, job: &Job) -> Result<(), StoreError> {
        self.update_audience(job, Purpose::Complete).await?;
        self.read_feed().await
    }

    /// Reads the subscribers of the feed of the job's owner, if it has one.
    async fn read_feed(&mut self) -> Result<(), StoreError> {
        if self.feed.read().await? {
            let others = self.direct().iter();
            self.sender.keep_only(others.chain(self.feed.direct()));
        }
        Ok(())
    }

    /// The number of connections that messages are posted to directly.
    fn direct_count(&self) -> usize {
        self.direct().len() + self.feed.beside(self.direct()).count()
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
        let direct = page.subscribers.iter().chain(self.feed.direct());
        self.sender.keep_only(direct);
        let known = KnownAudience::read_now(job, page.subscribers, page.more_after, now);
        self.audience = Some(known);
        Ok(())
    }
}

/// The last connection that is posted to directly, if others follow, which the delivery function posts to.
fn beyond(audience: Option<&KnownAudience>) -> Option<&str> {
    audience?.more_after.as_deref()
}
