//! When the upload of an input is checked, and what is done then.
//!
//! A check is a delayed message on the queue `deliveries` ([`DeliveryKind::UploadDeadline`]), from the creation
//! of a job that awaits its input until the upload is complete or the job has ended.
//!
//! [`DeliveryKind::UploadDeadline`]: stagecast_contract::queues::DeliveryKind::UploadDeadline

use granted_aws::{Queues, SendError};
use stagecast_contract::{
    ids::JobId,
    messages::{JobError, JobStatus},
    queues::{DeliveryQueue, DeliveryTask},
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{Granted, SendMessage},
    queues::MAX_DELAY_SECONDS,
};

use crate::models::{Job, PendingUpload};

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing, also in future: the job has its input.
    Retire,
    /// Check again after this many seconds.
    CheckAgain(i64),
    /// Cancel the job.
    Cancel,
    /// Fail the job.
    Fail(JobError),
    /// Abort the upload: the job has ended.
    Abort,
}

/// Schedules a check after `seconds`, at most SQS's longest delay.
pub async fn schedule<F>(queues: &Queues<F>, job_id: &JobId, seconds: i64) -> Result<(), SendError>
where
    F: Function + Granted<SendMessage<DeliveryQueue>>,
{
    let task = DeliveryTask::upload_deadline(job_id.clone());
    let delay = i32::try_from(seconds.clamp(0, MAX_DELAY_SECONDS)).unwrap_or(0);
    queues.send::<DeliveryQueue>(&task, delay).await
}

/// What a check at `now` does with the job.
pub fn action(job: &Job, now: Timestamp) -> Action {
    let Some(upload) = &job.upload else {
        return Action::Retire;
    };
    if job.status != JobStatus::AwaitingInput {
        return Action::Abort;
    }
    if job.cancel_requested {
        return Action::Cancel;
    }
    if let Some(failure) = &upload.failure {
        return Action::Fail(failure.clone());
    }
    if upload.has_expired(now) {
        return Action::Fail(PendingUpload::expired());
    }
    let left = upload.expires_at.epoch_seconds() - now.epoch_seconds();
    Action::CheckAgain(left.clamp(1, MAX_DELAY_SECONDS))
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        description::AnnouncedInput,
        ids::{AccessKey, RequestId},
        limits::UPLOAD_SECONDS,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn job() -> Job {
        let input = AnnouncedInput {
            content_type: "text/csv".to_owned(),
            size: 1,
            sha256: None,
        };
        Job::queued(
            JobId::new(NOW, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "text/csv".to_owned(),
            NOW,
        )
        .awaiting(PendingUpload::new(&input, NOW))
    }

    #[test]
    fn upload_is_checked_until_it_expires() {
        let (mut now, mut checks) = (NOW, 0);
        let failure = loop {
            match action(&job(), now) {
                Action::CheckAgain(seconds) => now = now.plus_seconds(seconds),
                Action::Fail(failure) => break failure,
                other => panic!("{other:?}"),
            }
            checks += 1;
        };
        assert_eq!(failure.code, "upload_expired");
        assert_eq!(now, NOW.plus_seconds(UPLOAD_SECONDS));
        assert_eq!(checks, UPLOAD_SECONDS / MAX_DELAY_SECONDS);
    }

    #[test]
    fn cancelled_and_rejected_uploads_end_the_job() {
        let mut cancelled = job();
        cancelled.cancel_requested = true;
        assert_eq!(action(&cancelled, NOW), Action::Cancel);
        let mut rejected = job();
        let failure = JobError::of_stage("invalid_input", "No table.".to_owned());
        rejected.upload.as_mut().expect("an upload").failure = Some(failure.clone());
        assert_eq!(action(&rejected, NOW), Action::Fail(failure));
    }

    #[test]
    fn upload_of_an_ended_job_is_aborted_and_a_complete_one_is_not_checked() {
        let mut ended = job();
        ended.status = JobStatus::Cancelled;
        assert_eq!(action(&ended, NOW), Action::Abort);
        let mut complete = job();
        (complete.upload, complete.status) = (None, JobStatus::Queued);
        assert_eq!(action(&complete, NOW), Action::Retire);
    }
}
