//! Ends jobs that have exceeded a time limit when their worker asks for them: the watchdog may be late.

use stagecast_core::{http::ApiError, models::Job, unattended::Settled};

use crate::{context::Context, slots};

/// The job as it is after its time limits were applied: a job that has exceeded one has ended, unless another
/// request has changed it meanwhile.
pub(crate) async fn enforce(context: &Context, job: Job) -> Result<Job, ApiError> {
    let Some(error) = job.exceeded_limit(context.stores.clock.now()) else {
        return Ok(job);
    };
    tracing::info!(code = error.code, "the job has exceeded a time limit");
    Ok(match context.unattended.expire(&job, error).await? {
        Settled::Ended(ended) => {
            slots::free(context, &ended).await;
            *ended
        }
        Settled::Open(open) => *open,
        Settled::Attended => {
            let current = context.stores.jobs.load(&job.job_id).await?;
            current.unwrap_or(job)
        }
    })
}
