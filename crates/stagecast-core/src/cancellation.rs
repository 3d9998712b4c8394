//! Cancels jobs.
//!
//! | job | ended by |
//! | --- | --- |
//! | has a live run or worker | the run or worker, which reads the request in the job's item |
//! | is unattended | this module, at once |
//! | has a dead worker whose lease has not ended | the [watchdog] of its claim, once the lease has ended |

use granted_aws::Queues;
use stagecast_contract::{ids::JobId, messages::JobStatus};

use crate::{
    clock::Clock,
    models::{OwnerQueue, TerminalState},
    stores::{EventStore, JobStore, WaitingJobStore},
    unattended::{SettleError, Settled, Settles, Unattended},
    upload_deadline, watchdog,
};

/// Seconds after the end of a job in which a repeated request notifies its subscribers again.
const REPEAT_WINDOW_SECONDS: i64 = 60;

/// The result of a request for cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The job will end, or has ended by this request.
    Requested,
    /// The job had ended already, with this status, or does not exist any more.
    AlreadyFinished(Option<JobStatus>),
}

/// Cancels jobs.
#[derive(Debug)]
pub struct Canceller<F> {
    jobs: JobStore<F>,
    unattended: Unattended<F>,
    queues: Queues<F>,
    clock: Clock,
}

impl<F: Settles> Canceller<F> {
    /// A canceller of the jobs in these stores.
    pub fn new(
        jobs: JobStore<F>,
        events: EventStore<F>,
        waiting: WaitingJobStore<F>,
        queues: Queues<F>,
        clock: Clock,
    ) -> Self {
        Self {
            jobs: jobs.clone(),
            unattended: Unattended::new(jobs, events, waiting, queues.clone(), clock.clone()),
            queues,
            clock,
        }
    }

    /// Requests the cancellation, and ends the job if it is unattended. Idempotent.
    pub async fn cancel(&self, job_id: &JobId) -> Result<Cancellation, SettleError> {
        let Some(job) = self.jobs.request_cancel(job_id).await? else {
            return self.already_finished(job_id).await;
        };
        if !job.is_unattended(self.clock.now()) {
            return Ok(Cancellation::Requested);
        }
        if job.status == JobStatus::AwaitingInput {
            // It aborts the upload, and notifies the subscribers if this request is interrupted.
            let first = watchdog::FIRST_CHECK_SECONDS;
            upload_deadline::schedule(&self.queues, job_id, first).await?;
        }
        if job.status == JobStatus::Queued && job.is_external() {
            // Without a claim there is no watchdog yet. It notifies the subscribers if this request is
            // interrupted.
            let first = watchdog::FIRST_CHECK_SECONDS;
            watchdog::schedule(&self.queues, job_id, Some(job.epoch), first).await?;
        }
        if job.status == JobStatus::Running && OwnerQueue::of(&job).is_some() {
            // It frees the slot of the owner, and notifies workers of the owner's next job.
            watchdog::schedule(&self.queues, job_id, Some(job.epoch), 0).await?;
        }
        let settled = self
            .unattended
            .settle(&job, Some(&TerminalState::Cancelled));
        Ok(match settled.await? {
            // The worker had logged the end of the job, and died before it was committed.
            Settled::Ended(job) if job.status != JobStatus::Cancelled => {
                Cancellation::AlreadyFinished(Some(job.status))
            }
            // A run that has claimed the job meanwhile reads the request in the job's item.
            Settled::Ended(_) | Settled::Open(_) | Settled::Attended => Cancellation::Requested,
        })
    }

    /// Notifies the subscribers of a job that has just ended again: the request that ended it may have been
    /// interrupted before it notified them.
    async fn already_finished(&self, job_id: &JobId) -> Result<Cancellation, SettleError> {
        let Some(job) = self.jobs.load(job_id).await? else {
            return Ok(Cancellation::AlreadyFinished(None));
        };
        let has_just_ended = self.clock.now() < job.updated_at.plus_seconds(REPEAT_WINDOW_SECONDS);
        if has_just_ended && job.is_committed_without_lease() {
            self.unattended.redeliver(&job).await?;
        }
        Ok(Cancellation::AlreadyFinished(Some(job.status)))
    }
}
