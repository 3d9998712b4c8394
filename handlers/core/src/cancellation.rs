//! Asking a job to stop. A running one is told by its next look at its item; one that nobody would
//! tell, for it still waits or its own worker is gone, ends here, at once.

use contract::{
    functions::Function,
    grants::{GetItem, Granted, PutItem, Query, SendMessage, UpdateItem},
    ids::JobId,
    messages::JobStatus,
    queues::{Audience, Content, DeliveryPointer, DeliveryQueue},
    tables::{JobEvents, Jobs},
};

use crate::{
    aws::{Queues, SendError},
    clock::Clock,
    delivery::{About, ending_message},
    models::{Event, Job},
    stores::{Appended, Ending, EventStore, JobStore, StoreError},
};

/// For this long after a job was cancelled, asking again has its watchers told again.
const LATELY_SECONDS: i64 = 60;

/// What came of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The job stops, or has just stopped.
    Requested,
    /// The job has ended already.
    AlreadyFinished,
}

/// A job could not be asked to stop.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// A table did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job's watchers could not be told.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// What cancelling takes.
#[derive(Debug)]
pub struct Canceller<F> {
    jobs: JobStore<F>,
    events: EventStore<F>,
    queues: Queues<F>,
    clock: Clock,
}

impl<F> Canceller<F>
where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
        + Granted<SendMessage<DeliveryQueue>>,
{
    /// Cancels jobs in these stores.
    pub fn new(jobs: JobStore<F>, events: EventStore<F>, queues: Queues<F>, clock: Clock) -> Self {
        Self {
            jobs,
            events,
            queues,
            clock,
        }
    }

    /// Asks the job to stop.
    pub async fn cancel(&self, job_id: &JobId) -> Result<Cancellation, CancelError> {
        let Some(job) = self.jobs.request_cancel(job_id).await? else {
            self.tell_again(job_id).await?;
            return Ok(Cancellation::AlreadyFinished);
        };
        if job.has_nobody(self.clock.now()) {
            self.end_unattended(&job).await?;
        }
        Ok(Cancellation::Requested)
    }

    async fn end_unattended(&self, job: &Job) -> Result<(), CancelError> {
        let seq = job.seq + 1;
        let message = ending_message(
            &Ending::Cancelled,
            About {
                job_id: job.job_id.clone(),
                seq,
                correlation_id: job.correlation_id.clone(),
                timestamp: self.clock.now(),
            },
            None,
            None,
        );
        let event = Event {
            job_id: job.job_id.clone(),
            seq,
            epoch: job.epoch,
            message: message.to_json(),
            expires_at: job.expires_at,
        };
        // Not committed when a run claims the job meanwhile. That run finds the request to stop in
        // the job's item, and either commits this very event or writes its own over it. And a
        // worker that is back, and has something else to say here, hears of the request by itself.
        match self.events.append(&event).await? {
            Appended::Written => {}
            Appended::Earlier(earlier) if earlier.says(&event.message) => {}
            Appended::Earlier(_) | Appended::Later => return Ok(()),
        }
        let cancelled = match self.jobs.cancel_unattended(job, seq).await? {
            Some(_) => true,
            // It may have been committed by an attempt whose answer was lost.
            None => self.is_cancelled_at(&job.job_id, seq).await?,
        };
        if cancelled {
            self.tell(&job.job_id, job.seq).await?;
        }
        Ok(())
    }

    async fn is_cancelled_at(&self, job_id: &JobId, seq: u64) -> Result<bool, StoreError> {
        let job = self.jobs.load(job_id).await?;
        Ok(job.is_some_and(|job| job.status == JobStatus::Cancelled && job.seq == seq))
    }

    /// Has the watchers of a job that was cancelled just now told again: whoever asks again may have
    /// been told that they could not be.
    async fn tell_again(&self, job_id: &JobId) -> Result<(), CancelError> {
        let Some(job) = self.jobs.load(job_id).await? else {
            return Ok(());
        };
        let lately = self.clock.now() < job.updated_at.plus_seconds(LATELY_SECONDS);
        if job.status == JobStatus::Cancelled && lately {
            self.tell(job_id, job.seq.saturating_sub(1)).await?;
        }
        Ok(())
    }

    /// Has the watchers told of the job's last message, which follows `after_seq`.
    async fn tell(&self, job_id: &JobId, after_seq: u64) -> Result<(), SendError> {
        let pointer = DeliveryPointer {
            job_id: job_id.clone(),
            audience: Audience::AllSubscribers,
            content: Content::Published,
            after_seq,
            through_seq: Some(after_seq + 1),
        };
        self.queues.send::<DeliveryQueue>(&pointer, 0).await
    }
}
