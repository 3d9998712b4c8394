//! Settles jobs that no run and no worker holds: commits the events that are logged but not committed,
//! ends the job, and notifies its subscribers.
//!
//! Each write requires that the lease has ended, so it never overrules a worker that returns or a new
//! claim. Only a job that has exceeded a time limit is taken from the holder of its lease. The failure of a job whose worker is lost is written under a separate claim: if it is logged but
//! not committed, it cannot be mistaken for an event of the worker's claim, and later claims discard it.

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    messages::{JobError, JobStatus},
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, Recipients},
    tables::{JobEvents, Jobs, WorkQueues},
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, Query, SendMessage, UpdateItem},
};

use crate::{
    clock::Clock,
    delivery::{MessageHeader, redelivery, terminal_message, webhook_task::queue_before_commit},
    models::{Event, Job, SentRange, TerminalState},
    stores::{Appended, Commit, EventStore, JobStore, StoreError, WaitingJobStore},
    waiting, watchdog,
};

/// The grants of a function that settles unattended jobs.
pub trait Settles:
    Function
    + Granted<GetItem<Jobs>>
    + Granted<UpdateItem<Jobs>>
    + Granted<PutItem<JobEvents>>
    + Granted<Query<JobEvents>>
    + Granted<DeleteItem<WorkQueues>>
    + Granted<SendMessage<DeliveryQueue>>
{
}

impl<F> Settles for F where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
        + Granted<DeleteItem<WorkQueues>>
        + Granted<SendMessage<DeliveryQueue>>
{
}

/// The result of settling a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The job has ended.
    Ended(Box<Job>),
    /// The job is still unattended. The events in its log are committed.
    Open(Box<Job>),
    /// A run or a worker holds the job again, or the job does not exist any more.
    Attended,
}

/// The result of committing one event.
enum Next {
    /// The job after the commit.
    Committed(Box<Job>),
    /// There is nothing to commit.
    Nothing,
    /// A run or a worker holds the job again.
    Attended,
}

/// A job could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A call to a table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job's subscribers could not be notified.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Settles unattended jobs.
#[derive(Debug)]
pub struct Unattended<F> {
    jobs: JobStore<F>,
    events: EventStore<F>,
    waiting: WaitingJobStore<F>,
    queues: Queues<F>,
    clock: Clock,
}

impl<F: Settles> Unattended<F> {
    /// A settler of the jobs in these stores.
    pub fn new(
        jobs: JobStore<F>,
        events: EventStore<F>,
        waiting: WaitingJobStore<F>,
        queues: Queues<F>,
        clock: Clock,
    ) -> Self {
        Self {
            jobs,
            events,
            waiting,
            queues,
            clock,
        }
    }

    /// Commits the events that a dead run or worker has logged but not committed, then ends the job if
    /// `terminal_state` is given. A terminal event that is in the log already takes precedence over
    /// `terminal_state`. The delivery function notifies the subscribers.
    pub async fn settle(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Settled, SettleError> {
        let before = job.seq;
        let (job, outcome) = self.commit_all(job.clone(), terminal_state).await;
        // Also after an error, because the next call starts after the events that were committed.
        if job.seq > before {
            self.notify(&job, before).await?;
        }
        let is_attended = outcome?;
        if job.status.has_ended() {
            waiting::dequeue(&self.waiting, &job).await;
        }
        Ok(match is_attended {
            _ if job.status.has_ended() => Settled::Ended(Box::new(job)),
            true => Settled::Attended,
            false => Settled::Open(Box::new(job)),
        })
    }

    /// Fails a job whose external worker was silent for too long, under a new claim. Uncommitted events of
    /// the worker are committed first; a terminal event among them takes precedence.
    pub async fn give_up(&self, job: &Job, error: JobError) -> Result<Settled, SettleError> {
        // Scheduled before the claim is written, as for every claim, so that no claim is without a
        // watchdog.
        let first = watchdog::FIRST_CHECK_SECONDS;
        watchdog::schedule(&self.queues, &job.job_id, Some(job.epoch + 1), first).await?;
        match self.jobs.take_unattended(job).await? {
            Some(taken) => {
                self.settle(&taken, Some(&TerminalState::Failed(error)))
                    .await
            }
            None => Ok(Settled::Attended),
        }
    }

    /// Fails a queued or running job that has exceeded a time limit. The holder of the lease of a running job
    /// loses it. Uncommitted events are committed first; a terminal event among them takes precedence.
    pub async fn expire(&self, job: &Job, error: JobError) -> Result<Settled, SettleError> {
        let end = TerminalState::Failed(error);
        if job.status != JobStatus::Running {
            return self.settle(job, Some(&end)).await;
        }
        if job.is_external() {
            // As for every claim. A job of the pipeline has a watchdog until it ends.
            let first = watchdog::FIRST_CHECK_SECONDS;
            watchdog::schedule(&self.queues, &job.job_id, Some(job.epoch + 1), first).await?;
        }
        match self.jobs.revoke_lease(job).await? {
            Some(revoked) => self.settle(&revoked, Some(&end)).await,
            None => Ok(Settled::Attended),
        }
    }

    /// The commits of [`Self::settle`]. Returns the job after the last commit, and whether a run or a worker
    /// holds it again.
    async fn commit_all(
        &self,
        mut job: Job,
        terminal_state: Option<&TerminalState>,
    ) -> (Job, Result<bool, StoreError>) {
        while !job.status.has_ended() {
            if !job.is_unattended(self.clock.now()) {
                return (job, Ok(true));
            }
            match self.commit_next(&job, terminal_state).await {
                Ok(Next::Committed(committed)) => job = *committed,
                Ok(Next::Nothing) => break,
                Ok(Next::Attended) => return (job, Ok(true)),
                Err(error) => return (job, Err(error)),
            }
        }
        (job, Ok(false))
    }

    async fn commit_next(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Next, StoreError> {
        let Some(message) = self.next_message(job, terminal_state).await? else {
            return Ok(Next::Nothing);
        };
        let committed = self.write(job, message).await?;
        Ok(committed.map_or(Next::Attended, |job| Next::Committed(Box::new(job))))
    }

    /// The message to commit next: the event in the log after the job's `seq`, or else the terminal message.
    async fn next_message(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Option<String>, StoreError> {
        let seq = job.seq + 1;
        // A cancellation is written under the worker's claim, and the write finds the worker's event.
        if terminal_state != Some(&TerminalState::Cancelled) {
            let left = self.events.at(&job.job_id, seq).await?;
            if let Some(event) =
                left.filter(|event| !event.is_outdated_for(job.epoch, job.is_claimed_in_time()))
            {
                return Ok(Some(event.message));
            }
        }
        let Some(terminal_state) = terminal_state else {
            return Ok(None);
        };
        let header = MessageHeader {
            job_id: job.job_id.clone(),
            seq,
            correlation_id: job.correlation_id.clone(),
            timestamp: self.clock.now(),
        };
        // A finished stage was not running.
        let stage = job
            .stage
            .as_deref()
            .filter(|stage| !job.checkpoints.contains_key(*stage));
        Ok(Some(
            terminal_message(terminal_state, header, stage, None, Vec::new()).to_json(),
        ))
    }

    /// Logs a message after the job's `seq` and commits it. An event that the same claim has logged there is
    /// committed instead. None when the job has a new claim, or its worker has returned.
    async fn write(&self, job: &Job, message: String) -> Result<Option<Job>, StoreError> {
        let event = Event {
            job_id: job.job_id.clone(),
            seq: job.seq + 1,
            epoch: job.epoch,
            message,
            expires_at: job.expires_at,
        };
        let message = match self.events.append(&event).await? {
            Appended::Written => event.message,
            Appended::Earlier(earlier) => earlier.message,
            Appended::Later => return Ok(None),
        };
        let commit = Commit::of_logged(&message)?;
        let (job_id, webhook) = (&job.job_id, job.webhook.as_ref());
        queue_before_commit(&self.queues, job_id, webhook, &commit, event.seq).await?;
        self.jobs.commit_unattended(job, &commit, event.seq).await
    }

    /// Queues a task that sends the log to all subscribers, because an earlier call may have been
    /// interrupted before it notified them. Events that were sent again before are left out.
    pub async fn redeliver(&self, job: &Job) -> Result<(), SendError> {
        redelivery::redeliver(&self.jobs, &self.queues, job, 0).await
    }

    /// Queues a task that sends the durable messages after `after_seq`, through the `seq` of `job`, to all
    /// subscribers, and records it.
    async fn notify(&self, job: &Job, after_seq: u64) -> Result<(), SendError> {
        let task = DeliveryTask {
            job_id: job.job_id.clone(),
            audience: Recipients::AllSubscribers,
            content: DeliveryKind::Published,
            after_seq,
            through_seq: Some(job.seq),
            renewed: false,
        };
        self.queues.send::<DeliveryQueue>(&task, 0).await?;
        let sent = SentRange::extended(job.redelivered, after_seq, job.seq);
        redelivery::record(&self.jobs, &job.job_id, sent).await;
        Ok(())
    }
}
