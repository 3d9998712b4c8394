//! `POST /v1/jobs/{job_id}/release`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    limits::MAX_EVENTS_BYTES,
    messages::JobStatus,
    worker::{ReleaseRequest, Released},
};
use stagecast_core::{
    http::{ApiError, ApiResponse, ApiResult, read_body},
    models::{Job, TerminalState},
    stores::HandBack,
    unattended::Settled,
    waiting, watchdog,
};

use crate::{
    access,
    context::Context,
    errors::{finished, lease_lost, try_again},
    slots,
};

/// Maximum number of attempts of a release that conflicts with posts of the same worker.
const MAX_ATTEMPTS: u32 = 5;

/// Ends the worker's claim without counting an attempt. Idempotent while there is no other claim.
pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let mut job = access::load_job(context, request).await?;
    let body = read_body(request, MAX_EVENTS_BYTES, "the epoch and the delay")?;
    let ReleaseRequest {
        epoch,
        delay_seconds,
    } = ReleaseRequest::parse(&body)?;
    let delay = i64::try_from(delay_seconds).unwrap_or(i64::MAX);
    for _ in 0..MAX_ATTEMPTS {
        if job.status.has_ended() {
            return Err(finished(&job));
        }
        if job.is_released_by(epoch) {
            return released(&job);
        }
        if epoch != job.epoch || job.status != JobStatus::Running {
            return Err(lease_lost(&job, epoch));
        }
        job = match hand_back(context, &job, delay).await? {
            HandBack::Queued(queued) => {
                let job = cancelled(context, *queued).await?;
                let is_slot_freed = slots::is_freed(context, &job).await;
                wake_workers(context, &job, is_slot_freed).await;
                return released(&job);
            }
            HandBack::Changed(current) => *current,
            HandBack::NotFound => return Err(ApiError::internal("the job was deleted meanwhile")),
        };
    }
    Err(try_again(job.seq))
}

async fn hand_back(context: &Context, job: &Job, delay: i64) -> Result<HandBack, ApiError> {
    let stores = &context.stores;
    let due = (delay > 0).then(|| stores.clock.now().plus_seconds(delay));
    if due.is_none() {
        waiting::enqueue(&stores.waiting, job).await?;
    } else if job.queue.is_some() {
        // Beside the watchdog of the claim, which may check the job later.
        watchdog::schedule(&stores.queues, &job.job_id, Some(job.epoch), delay).await?;
    }
    let handed_back = stores.jobs.hand_back(job, due).await?;
    tracing::info!(epoch = job.epoch, delay, "released");
    Ok(handed_back)
}

/// The job as it is after its cancellation, if that was requested: no worker would notice it.
async fn cancelled(context: &Context, queued: Job) -> Result<Job, ApiError> {
    if !queued.cancel_requested {
        return Ok(queued);
    }
    let end = TerminalState::Cancelled;
    Ok(
        match context.unattended.settle(&queued, Some(&end)).await? {
            Settled::Ended(ended) | Settled::Open(ended) => *ended,
            Settled::Attended => queued,
        },
    )
}

/// Notifies workers that listen to the queue of the job, if they can claim it now, or another job of its owner.
async fn wake_workers(context: &Context, job: &Job, is_slot_freed: bool) {
    if (is_slot_freed || job.is_claimable(context.stores.clock.now()))
        && let Some(queue) = &job.queue
    {
        context.waker.wake(queue).await;
    }
}

fn released(job: &Job) -> ApiResult {
    let released = Released {
        job_id: job.job_id.clone(),
        status: job.status,
    };
    ApiResponse::json(200, &released)
}
