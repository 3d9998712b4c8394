//! `POST /v1/jobs/{job_id}/events`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    functions::WorkerFunction,
    limits::{LEASE_SECONDS, MAX_EVENTS_BYTES},
    messages::{JobStatus, Results, ServerMessage},
    timestamp::Timestamp,
    worker::{EventsAccepted, EventsRequest, WorkerEvent},
};
use stagecast_core::{
    delivery::{PublishError, Publisher, ReportOutcome},
    http::{ApiResponse, ApiResult, read_body},
    models::{Job, TerminalState},
    stores::StoreError,
};

use crate::{
    access,
    context::Context,
    errors::publish_error,
    progress_tracker::ProgressTracker,
    sequence::{self, ValidPost},
};

/// The state of the job after a post.
struct PostResult {
    status: JobStatus,
    cancel_requested: bool,
    lease_expires_at: Timestamp,
}

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request).await?;
    let advice = "with large results in the bucket or wherever else the worker keeps them";
    let body = read_body(request, MAX_EVENTS_BYTES, advice)?;
    let post = EventsRequest::parse(&body)?;
    let after_seq = post.after_seq;
    let ValidPost {
        new_events,
        has_repeats,
    } = sequence::validate(context, &job, post).await?;

    let mut publisher = context
        .publishers
        .take(&context.stores, &context.objects, &job);
    let result = publish(context, &job, new_events, &mut publisher).await;
    publisher.flush_within_budget(job.seq).await;
    if has_repeats {
        // The invocation that published these events may have been killed before it sent them.
        context.stores.redeliver(&job.job_id, after_seq).await?;
    }
    let seq = publisher.seq();
    let result = match result {
        Ok(result) => result,
        Err(error) => return Err(publish_error(context, &job, error, seq).await?),
    };
    // The publisher knows which connections the delivery function serves; a later post must not overtake
    // those deliveries. An ended job has no later posts.
    if !result.status.has_ended() {
        context.publishers.keep(publisher);
    }
    let accepted = EventsAccepted {
        job_id: job.job_id,
        seq,
        status: result.status,
        cancel_requested: result.cancel_requested,
        lease_expires_at: result.lease_expires_at,
    };
    ApiResponse::json(200, &accepted)
}

/// Publishes events and renews the lease: with the events or, if there are none, with a separate write.
async fn publish(
    context: &Context,
    job: &Job,
    new_events: Vec<WorkerEvent>,
    publisher: &mut Publisher<WorkerFunction>,
) -> Result<PostResult, PublishError> {
    let clock = &context.stores.clock;
    let mut result = PostResult {
        status: job.status,
        cancel_requested: job.cancel_requested,
        lease_expires_at: Timestamp::from_epoch_seconds(job.lease_expires_at),
    };
    let mut tracker = ProgressTracker::of(job);
    let mut last_results = None;
    // The status of a job that has ended since it was loaded: by a post that this one repeats, or
    // without its worker.
    let mut ended = None;
    let seq_before = publisher.seq();
    let mut is_renewed = false;
    let mut events = new_events.into_iter().peekable();
    while let Some(event) = events.next() {
        let lease_status = match event {
            WorkerEvent::ProgressUpdate(update) => {
                let point = tracker.advance(&update, clock.millis());
                // The next update of the same post replaces this one.
                if matches!(events.peek(), Some(WorkerEvent::ProgressUpdate(_))) {
                    continue;
                }
                match publisher
                    .report_if_newer(&point, tracker.estimate())
                    .await?
                {
                    ReportOutcome::Reported(lease_status) => Some(lease_status),
                    ReportOutcome::Outdated(lease_status) => {
                        result.cancel_requested = lease_status.cancel_requested;
                        None
                    }
                    ReportOutcome::Ended(status) => {
                        ended = Some(status);
                        None
                    }
                }
            }
            WorkerEvent::StageComplete(complete) => {
                let stage = &complete.stage;
                let overall = Some(tracker.finish(stage));
                let (lease_status, results) = publisher
                    .finish_stage(stage, overall, complete.results)
                    .await?;
                last_results = Some(results);
                Some(lease_status)
            }
            WorkerEvent::JobComplete {} => {
                let results = match last_results.take() {
                    Some(results) => Some(results),
                    None => results_of_last_stage(context, job, publisher.seq()).await?,
                };
                publisher
                    .end(&TerminalState::Completed, None, results)
                    .await?;
                result.status = JobStatus::Completed;
                None
            }
            WorkerEvent::JobFailed(failure) => {
                let stage = failure.stage.as_deref().or(tracker.running());
                let terminal_state = TerminalState::Failed(failure.error.clone());
                publisher.end(&terminal_state, stage, None).await?;
                result.status = JobStatus::Failed;
                None
            }
            WorkerEvent::JobCancelled(cancellation) => {
                let stage = cancellation.stage.as_deref().or(tracker.running());
                publisher
                    .end(&TerminalState::Cancelled, stage, None)
                    .await?;
                result.status = JobStatus::Cancelled;
                None
            }
        };
        if let Some(lease_status) = lease_status {
            is_renewed = true;
            result.cancel_requested = lease_status.cancel_requested;
            if lease_status.status.has_ended() {
                // The event was committed without this post, and the job has ended since. The next
                // events are compared with the log, because they may be repeats.
                ended = Some(lease_status.status);
            }
        }
    }
    match ended {
        // The log has no event of this post.
        Some(_) if publisher.seq() == seq_before => return Err(PublishError::LeaseLost),
        Some(status) => result.status = status,
        None => {}
    }
    if result.status.has_ended() {
        return Ok(result);
    }
    if !is_renewed {
        result.cancel_requested = publisher.renew().await?.cancel_requested;
    }
    result.lease_expires_at = clock.now().plus_seconds(LEASE_SECONDS);
    Ok(result)
}

/// The results of a completed job are those of its last stage, whose event is at `seq`.
async fn results_of_last_stage(
    context: &Context,
    job: &Job,
    seq: u64,
) -> Result<Option<Results>, StoreError> {
    let event = context.stores.events.at(&job.job_id, seq).await?;
    let message = event.and_then(|event| serde_json::from_str(&event.message).ok());
    Ok(match message {
        Some(ServerMessage::StageComplete(complete)) => Some(complete.results),
        _ => None,
    })
}
