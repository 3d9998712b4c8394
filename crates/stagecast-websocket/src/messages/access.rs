//! The permission to read or to cancel a job.

use stagecast_contract::{
    ids::{AccessKey, JobId},
    messages::ErrorCode,
};
use stagecast_core::models::Job;

use super::MessageError;
use crate::{context::Context, invocation::Invocation};

/// Loads the job if the key opens it or, without a key, if the connection is subscribed to it.
pub(super) async fn load_job(
    context: &Context,
    invocation: &Invocation,
    job_id: &JobId,
    access_key: Option<&AccessKey>,
) -> Result<Job, MessageError> {
    let connection_id = &invocation.connection_id;
    match access_key {
        Some(key) => {
            let job = context.jobs.load(job_id).await?;
            job.filter(|job| job.verify_access_key(key))
                .ok_or_else(forbidden)
        }
        None if context
            .connections
            .is_subscribed(connection_id, job_id)
            .await? =>
        {
            let job = context.jobs.load(job_id).await?;
            job.ok_or_else(|| {
                MessageError::new(
                    ErrorCode::JobNotFound,
                    format!("the job {job_id} is no longer kept"),
                )
            })
        }
        None => Err(forbidden()),
    }
}

/// The same message for a wrong key and for an unknown job, so that it does not reveal whether the job
/// exists.
pub(super) fn forbidden() -> MessageError {
    MessageError::new(
        ErrorCode::Forbidden,
        "the access_key is missing or does not open this job; send the one that POST /v1/jobs \
         answered with",
    )
}
