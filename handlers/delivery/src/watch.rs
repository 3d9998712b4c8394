//! The looks of the watchdog at a job: see [`handlers_core::watchdog`].

use aws_lambda_events::sqs::SqsMessage;
use contract::{
    ids::JobId,
    queues::{DeliveryKind, DeliveryTask, JobMessage, JobQueue},
};
use handlers_core::{
    models::Job,
    stores::StoreError,
    unattended::{SettleError, Settled},
    watchdog::{self, Action},
};

use crate::{
    attempts::receives,
    handler::{DeliveryError, Handler},
};

/// Seconds before a look that a table has refused is repeated. It is sent anew, so that its receives
/// do not count: an outage makes no dead letter of a watchdog.
const RETRY_SECONDS: i64 = 60;

impl Handler {
    /// Looks at a job, does what it needs, and sees to the next look.
    pub(crate) async fn watch(
        &self,
        job: &Job,
        epoch: Option<u64>,
        message: &SqsMessage,
    ) -> Result<(), DeliveryError> {
        let next = match self.look(job, epoch, message).await {
            Ok(next) => next,
            Err(SettleError::Store(error)) => {
                tracing::warn!(%error, "the watchdog could not look after the job; it tries again");
                Some(RETRY_SECONDS)
            }
            Err(SettleError::Send(error)) => return Err(error.into()),
        };
        match next {
            Some(seconds) => self.look_later(&job.job_id, epoch, seconds).await,
            None => Ok(()),
        }
    }

    /// A job could not be read. A watchdog looks at it later; any other pointer has failed.
    pub(crate) async fn unread(
        &self,
        pointer: &DeliveryTask,
        error: StoreError,
    ) -> Result<(), DeliveryError> {
        let DeliveryKind::Watchdog { epoch } = pointer.content else {
            return Err(error.into());
        };
        tracing::warn!(%error, "the watchdog could not read the job; it tries again");
        self.look_later(&pointer.job_id, epoch, RETRY_SECONDS).await
    }

    async fn look_later(
        &self,
        job_id: &JobId,
        epoch: Option<u64>,
        seconds: i64,
    ) -> Result<(), DeliveryError> {
        watchdog::schedule(&self.queues, job_id, epoch, seconds).await?;
        Ok(())
    }

    /// Does what the job needs. Answers with the seconds until the next look, if there is one.
    async fn look(
        &self,
        job: &Job,
        epoch: Option<u64>,
        message: &SqsMessage,
    ) -> Result<Option<i64>, SettleError> {
        if receives(message) > 1 || job.is_committed_without_lease() {
            // The look or the cancellation that committed what is in the log may have died before
            // the subscribers were notified.
            self.unattended.redeliver(job).await?;
        }
        if !watchdog::is_watched(job, epoch) {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut job = job.clone();
        if watchdog::is_lease_over(&job, now) {
            match self.unattended.settle(&job, None).await? {
                Settled::Ended(_) => return Ok(None),
                Settled::Open(settled) => job = *settled,
                Settled::Attended => return Ok(Some(watchdog::FIRST_CHECK_SECONDS)),
            }
        }
        Ok(match watchdog::action(&job, now) {
            Action::Retire => None,
            Action::CheckAgain(seconds) => Some(seconds),
            Action::SendJobMessage(seconds) => {
                tracing::warn!(
                    status = job.status.name(),
                    epoch = job.epoch,
                    "nothing runs the job: its ticket is sent again",
                );
                let ticket = JobMessage::from_watchdog(job.job_id);
                self.queues.send::<JobQueue>(&ticket, 0).await?;
                Some(seconds)
            }
            Action::End(terminal_state) => {
                ended(self.unattended.settle(&job, Some(&terminal_state)).await?)
            }
            Action::GiveUp(error) => ended(self.unattended.give_up(&job, error).await?),
        })
    }
}

/// The seconds until the next look at a job that was to be ended, if it has not ended.
fn ended(settled: Settled) -> Option<i64> {
    match settled {
        Settled::Ended(job) => {
            tracing::warn!(status = job.status.name(), "the watchdog has ended the job");
            None
        }
        Settled::Open(_) | Settled::Attended => Some(watchdog::FIRST_CHECK_SECONDS),
    }
}
