//! Asking a job to stop. A running one notices when it next reads or writes its item. One that has
//! no run and no worker ends here, at once. A job whose worker is dead, but whose lease has not
//! ended yet, is ended by the [watchdog] that its claim has started: the request in
//! the job's item is all that the watchdog needs.

use contract::{ids::JobId, messages::JobStatus};

use crate::{
    aws::Queues,
    clock::Clock,
    models::TerminalState,
    stores::{EventStore, JobStore},
    unattended::{SettleError, Settled, Settles, Unattended},
    watchdog,
};

/// For this long after a job has ended, asking again has its subscribers notified again.
const LATELY_SECONDS: i64 = 60;

/// What came of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The job stops, or has just stopped.
    Requested,
    /// The job had ended already, with this status, or is not there any more.
    AlreadyFinished(Option<JobStatus>),
}

/// What cancelling takes.
#[derive(Debug)]
pub struct Canceller<F> {
    jobs: JobStore<F>,
    unattended: Unattended<F>,
    queues: Queues<F>,
    clock: Clock,
}

impl<F: Settles> Canceller<F> {
    /// Cancels jobs in these stores.
    pub fn new(jobs: JobStore<F>, events: EventStore<F>, queues: Queues<F>, clock: Clock) -> Self {
        Self {
            jobs: jobs.clone(),
            unattended: Unattended::new(jobs, events, queues.clone(), clock.clone()),
            queues,
            clock,
        }
    }

    /// Asks the job to stop.
    pub async fn cancel(&self, job_id: &JobId) -> Result<Cancellation, SettleError> {
        let Some(job) = self.jobs.request_cancel(job_id).await? else {
            return self.already_finished(job_id).await;
        };
        if !job.is_unattended(self.clock.now()) {
            return Ok(Cancellation::Requested);
        }
        if job.status == JobStatus::Queued && job.is_external() {
            // No claim has started one: the subscribers are notified even if this is cut short.
            let first = watchdog::FIRST_CHECK_SECONDS;
            watchdog::schedule(&self.queues, job_id, Some(job.epoch), first).await?;
        }
        let settled = self
            .unattended
            .settle(&job, Some(&TerminalState::Cancelled));
        Ok(match settled.await? {
            // Its worker had posted its end, and died before that was committed.
            Settled::Ended(job) if job.status != JobStatus::Cancelled => {
                Cancellation::AlreadyFinished(Some(job.status))
            }
            // A run that has claimed the job meanwhile finds the request in the job's item.
            Settled::Ended(_) | Settled::Open(_) | Settled::Attended => Cancellation::Requested,
        })
    }

    /// Has the subscribers of a job that has ended just now notified again: the request that ended
    /// it may have been cut short before they were, and may have committed more than its end.
    async fn already_finished(&self, job_id: &JobId) -> Result<Cancellation, SettleError> {
        let Some(job) = self.jobs.load(job_id).await? else {
            return Ok(Cancellation::AlreadyFinished(None));
        };
        let lately = self.clock.now() < job.updated_at.plus_seconds(LATELY_SECONDS);
        if lately && job.is_committed_without_lease() {
            self.unattended.redeliver(&job).await?;
        }
        Ok(Cancellation::AlreadyFinished(Some(job.status)))
    }
}
