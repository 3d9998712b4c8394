//! Jobs that no run and no worker holds any more: committing what they left in their log, ending
//! them, notifying their subscribers. The write is conditional on the lease having ended, so a worker
//! that comes back and a new claim are never overruled. The failure of a job whose worker is lost is
//! written under a claim that is not a worker's: what was logged and not committed cannot be taken for
//! an event of the worker's own claim, and later claims discard it.

use contract::{
    functions::Function,
    grants::{GetItem, Granted, PutItem, Query, SendMessage, UpdateItem},
    messages::JobError,
    queues::{DeliveryKind, DeliveryQueue, DeliveryTask, Recipients},
    tables::{JobEvents, Jobs},
};

use crate::{
    aws::{Queues, SendError},
    clock::Clock,
    delivery::{MessageHeader, redelivery, terminal_message},
    models::{Event, Job, SentRange, TerminalState},
    stores::{Appended, Commit, EventStore, JobStore, StoreError},
    watchdog,
};

/// The grants that settling an unattended job takes.
pub trait Settles:
    Function
    + Granted<GetItem<Jobs>>
    + Granted<UpdateItem<Jobs>>
    + Granted<PutItem<JobEvents>>
    + Granted<Query<JobEvents>>
    + Granted<SendMessage<DeliveryQueue>>
{
}

impl<F> Settles for F where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
        + Granted<SendMessage<DeliveryQueue>>
{
}

/// What came of settling a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The job has ended, as this says.
    Ended(Box<Job>),
    /// The job is still unattended. What was in its log is committed.
    Open(Box<Job>),
    /// A run or a worker has the job again, or it has gone.
    Attended,
}

/// What came of committing one event.
enum Next {
    /// The job as it is with the event.
    Committed(Box<Job>),
    /// There is nothing to commit.
    Nothing,
    /// A run or a worker has the job again.
    Attended,
}

/// A job could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A table did not answer as it should.
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
    queues: Queues<F>,
    clock: Clock,
}

impl<F: Settles> Unattended<F> {
    /// Settles jobs in these stores.
    pub fn new(jobs: JobStore<F>, events: EventStore<F>, queues: Queues<F>, clock: Clock) -> Self {
        Self {
            jobs,
            events,
            queues,
            clock,
        }
    }

    /// Commits what a dead run or worker has written to the log of `job` but has not committed, and
    /// then ends the job if `ending` is given. A terminal event that is in the log already is how
    /// the job ends, whatever `ending` is. The delivery function notifies the subscribers.
    pub async fn settle(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Settled, SettleError> {
        let before = job.seq;
        let (job, outcome) = self.commit_all(job.clone(), terminal_state).await;
        // Also when a later event could not be committed: the next look starts after this one.
        if job.seq > before {
            self.notify(&job, before).await?;
        }
        let is_attended = outcome?;
        Ok(match is_attended {
            _ if job.status.has_ended() => Settled::Ended(Box::new(job)),
            true => Settled::Attended,
            false => Settled::Open(Box::new(job)),
        })
    }

    /// Fails a job whose external worker was silent for too long, under a claim of its own. What the
    /// worker has left in the log is committed first; if that ends the job, it is how the job ends.
    pub async fn give_up(&self, job: &Job, error: JobError) -> Result<Settled, SettleError> {
        // Before the claim is written, as for each claim: it is not without a watchdog, whatever dies
        // meanwhile.
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

    /// Commits what [`Self::settle`] says. Answers with the job after the last commit, and with
    /// whether a run or a worker has it again.
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

    /// What is to be committed next: what the log has after the job's `seq`, or else the ending.
    async fn next_message(
        &self,
        job: &Job,
        terminal_state: Option<&TerminalState>,
    ) -> Result<Option<String>, StoreError> {
        let seq = job.seq + 1;
        // A cancellation is written under the worker's own claim: the write meets what it has left.
        if terminal_state != Some(&TerminalState::Cancelled) {
            let left = self.events.at(&job.job_id, seq).await?;
            if let Some(event) = left.filter(|event| !event.is_outdated_for(job.epoch)) {
                return Ok(Some(event.message));
            }
        }
        let Some(terminal_state) = terminal_state else {
            return Ok(None);
        };
        let about = MessageHeader {
            job_id: job.job_id.clone(),
            seq,
            correlation_id: job.correlation_id.clone(),
            timestamp: self.clock.now(),
        };
        // The stage of a job that waits has not begun.
        let stage = job
            .stage
            .as_deref()
            .filter(|stage| !job.checkpoints.contains_key(*stage));
        Ok(Some(
            terminal_message(terminal_state, about, stage, None).to_json(),
        ))
    }

    /// Writes a message to the log after the job's `seq` and commits it. An event that the same
    /// claim has written there stays, and is committed instead. None when the job has a new claim,
    /// or its worker is back.
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
        self.jobs.commit_unattended(job, &commit, event.seq).await
    }

    /// Has the delivery function send everyone who is subscribed to the job what they may lack of
    /// its log: it is not known what a settlement before this one, which may have been cut short,
    /// has had sent. What was sent again already is not sent once more.
    pub async fn redeliver(&self, job: &Job) -> Result<(), SendError> {
        redelivery::redeliver(&self.jobs, &self.queues, job, 0).await
    }

    /// Has the delivery function send the durable messages after `after_seq`, through the `seq` of
    /// `job`, to everyone who is subscribed to the job, and notes it.
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
