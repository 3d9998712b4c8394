//! `POST /v1/jobs/{job_id}/events`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stage_pipeline::StageDuration;
use stagecast_contract::{
    functions::WorkerFunction,
    limits::{LEASE_SECONDS, MAX_EVENTS_BYTES},
    messages::{Artifact, JobStatus, Results, ServerMessage},
    timestamp::Timestamp,
    worker::{EventsAccepted, EventsRequest, WorkerEvent, WorkerProgress},
};
use stagecast_core::{
    delivery::{LeaseStatus, PublishError, Publisher, ReportOutcome},
    http::{ApiResponse, ApiResult, read_body},
    models::{Job, StageDurations, TerminalState, TooManyArtifacts},
    stores::{ProgressPoint, StoreError, WorkerReport},
};

use crate::{
    access, artifacts, checkpoints,
    context::Context,
    errors::publish_error,
    progress_tracker::ProgressTracker,
    retries,
    sequence::{self, ValidPost},
    slots, time_limit,
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
    retries::check(&post.events, context.stores.clock.now())?;
    let after_seq = post.after_seq;
    let job = Box::pin(time_limit::enforce(context, job)).await?;
    let ValidPost {
        new_events,
        has_repeats,
    } = sequence::validate(context, &job, post).await?;

    artifacts::check(context, &job, &new_events).await?;
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
    if result.status.has_ended() {
        let ended = Job {
            status: result.status,
            ..job.clone()
        };
        slots::free(context, &ended).await;
    } else {
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

/// The durations of the job's stages in earlier jobs. Jobs whose worker names its stages as it goes have none.
async fn earlier_durations(context: &Context, job: &Job) -> StageDurations {
    if job.stages.is_empty() {
        return StageDurations::none::<&str>([]);
    }
    context.stores.jobs.stage_durations(&job.stages).await
}

/// Adds the durations of finished stages to those of earlier jobs.
async fn record_durations(context: &Context, job: &Job, durations: &[(String, StageDuration)]) {
    if !durations.is_empty() && !job.stages.is_empty() {
        let jobs = &context.stores.jobs;
        let earlier = jobs.stage_durations(&job.stages).await;
        jobs.record_stage_durations(earlier, durations).await;
    }
}

/// Publishes events and renews the lease: with the events or, if there are none, with a separate write.
#[expect(clippy::too_many_lines, reason = "one arm for each event")]
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
    let mut pending = None;
    // The durations of stages that finish with this post.
    let mut durations = Vec::new();
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
                if tracker.is_start(&update) {
                    let earlier = earlier_durations(context, job).await;
                    tracker.start_stage(&update, &earlier, clock.millis());
                }
                let point = tracker.advance(&update, clock.millis());
                let report = report(point, &tracker, Some(&update), clock.now());
                match events.peek() {
                    // The next update of the same post replaces this one.
                    Some(WorkerEvent::ProgressUpdate(_)) => continue,
                    // The checkpoint is written together with this progress.
                    Some(WorkerEvent::Checkpoint(next)) if next.stage == update.stage => {
                        pending = Some(report);
                        continue;
                    }
                    _ => {}
                }
                let outcome = publisher.report_if_newer(&report).await?;
                reported(outcome, &mut result, &mut ended)
            }
            WorkerEvent::Checkpoint(checkpoint) => {
                // The next checkpoint of the same post replaces this one.
                if matches!(events.peek(), Some(WorkerEvent::Checkpoint(next)) if next.stage == checkpoint.stage)
                {
                    continue;
                }
                let (stage, now) = (&checkpoint.stage, clock.millis());
                if pending.is_none() && tracker.is_started_by_checkpoint(stage) {
                    let earlier = earlier_durations(context, job).await;
                    tracker.start_stage_at_checkpoint(stage, &earlier, now);
                }
                let is_progress_new = pending.is_some();
                let mut report = pending.take().unwrap_or_else(|| {
                    let point = tracker.at_checkpoint(&checkpoint.stage);
                    report(point, &tracker, None, clock.now())
                });
                report.is_checkpoint = true;
                let stored = checkpoints::stored(&report.point, checkpoint.state);
                let outcome = publisher
                    .checkpoint_if_newer(&stored, checkpoint.number, &report, is_progress_new)
                    .await?;
                reported(outcome, &mut result, &mut ended)
            }
            WorkerEvent::StageComplete(complete) => {
                let (stage, artifacts) = (&complete.stage, &complete.artifacts);
                let (overall, duration) = tracker.finish(stage, clock.millis());
                let seq = publisher.seq();
                let (lease_status, results) = publisher
                    .finish_stage_listing(stage, Some(overall), complete.results, artifacts)
                    .await?
                    .map_err(|error| too_many(error, seq))?;
                durations.extend(duration.map(|duration| (stage.clone(), duration)));
                last_results = Some(results);
                Some(lease_status)
            }
            WorkerEvent::JobComplete(complete) => {
                let results = last_results.take();
                complete_job(context, job, results, &complete.artifacts, publisher).await?;
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
    record_durations(context, job, &durations).await;
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

/// What is written of the progress at `point`: the update that reports it, if there is one, may wait for the next
/// attempt at its stage.
fn report(
    point: ProgressPoint,
    tracker: &ProgressTracker,
    update: Option<&WorkerProgress>,
    now: Timestamp,
) -> WorkerReport {
    let attempt = tracker.attempt();
    let max_attempts = update.and_then(|update| update.max_attempts);
    WorkerReport {
        point,
        estimate: tracker.estimate().clone(),
        attempt,
        // As for stages of the pipeline, clients see it from the second attempt.
        max_attempts: max_attempts
            .filter(|_| attempt > 1)
            .and_then(|max_attempts| u32::try_from(max_attempts).ok()),
        retry_at: update
            .and_then(|update| update.retry_at)
            .filter(|retry_at| *retry_at > now),
        is_checkpoint: false,
    }
}

/// The state of the job after a report or a checkpoint; none if the report was not written.
fn reported(
    outcome: ReportOutcome,
    result: &mut PostResult,
    ended: &mut Option<JobStatus>,
) -> Option<LeaseStatus> {
    match outcome {
        ReportOutcome::Reported(lease_status) => return Some(lease_status),
        ReportOutcome::Outdated(lease_status) => {
            result.cancel_requested = lease_status.cancel_requested;
        }
        ReportOutcome::Ended(status) => *ended = Some(status),
    }
    None
}

/// The error of an event after `seq` that lists too many artifacts, although they were checked: an overlapping
/// post has attached others since.
fn too_many(_: TooManyArtifacts, seq: u64) -> PublishError {
    PublishError::Conflict { seq: seq + 1 }
}

/// Completes the job with the results of its last stage, which are `results` if it finished with this post.
async fn complete_job(
    context: &Context,
    job: &Job,
    results: Option<Results>,
    artifacts: &[Artifact],
    publisher: &mut Publisher<WorkerFunction>,
) -> Result<(), PublishError> {
    let results = match results {
        Some(results) => Some(results),
        None => results_of_last_stage(context, job, publisher.seq()).await?,
    };
    let seq = publisher.seq();
    let completed = publisher.complete_listing(results, artifacts).await?;
    completed.map_err(|error| too_many(error, seq))
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
