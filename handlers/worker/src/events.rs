//! `POST /v1/jobs/{job_id}/events`.
//!
//! Each event has its place: a durable one is the next after those before it, from the post's
//! `after_seq` on; a progress update belongs behind the last durable one. What the job has passed
//! already is not done again, so a post whose answer was lost can be sent again as it is.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use contract::{
    functions::WorkerFunction,
    http::HttpErrorCode,
    limits::{LEASE_SECONDS, MAX_EVENTS_BYTES},
    messages::{JobStatus, Results, ServerMessage},
    timestamp::Timestamp,
    worker::{EventsAccepted, EventsRequest, WorkerEvent},
};
use handlers_core::{
    delivery::{PublishError, Publisher, ReportOutcome},
    http::{ApiError, ApiResponse, ApiResult, read_body},
    models::{Job, TerminalState},
    stores::StoreError,
};

use crate::{
    handler::{Handler, finished},
    idempotency,
    progress_tracker::ProgressTracker,
};

/// An event and its place.
struct SequencedEvent {
    event: WorkerEvent,
    /// The `seq` of a durable event; of a progress update, that of the last durable one before it.
    seq: u64,
}

/// What has become of the job.
struct PostResult {
    status: JobStatus,
    cancel_requested: bool,
    lease_expires_at: Timestamp,
}

impl Handler {
    pub(crate) async fn post_events(&self, request: &ApiGatewayV2httpRequest) -> ApiResult {
        let job = self.authorized(request).await?;
        let advice = "with large results in the bucket or wherever else the worker keeps them";
        let body = read_body(request, MAX_EVENTS_BYTES, advice)?;
        let post = EventsRequest::parse(&body)?;
        let after_seq = post.after_seq;
        let (repeated, new) = self.sort(&job, post).await?;

        let mut publisher = self.publishers.take(&self.stores, &self.objects, &job);
        let result = self.tell(&job, new, &mut publisher).await;
        publisher.flush_within_budget(job.seq).await;
        if repeated {
            // The post before may have been cut short while it sent.
            self.stores.redeliver(&job.job_id, after_seq).await?;
        }
        let seq = publisher.seq();
        let result = match result {
            Ok(result) => result,
            Err(error) => return Err(self.explain(&job, error, seq).await?),
        };
        // With it go the names of those whom the delivery function serves: nothing may overtake that.
        if !result.status.has_ended() {
            self.publishers.keep(publisher);
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

    /// The events that the job does not know yet, and whether there were durable ones that it does.
    /// Refuses a post that does not fit the job before anything of it is done.
    async fn sort(
        &self,
        job: &Job,
        post: EventsRequest,
    ) -> Result<(bool, Vec<SequencedEvent>), ApiError> {
        let mut seq = post.after_seq;
        let sequenced = post.events.into_iter().map(|mut event| {
            event.forget_stage_unless(|stage| job.stages.iter().any(|known| known == stage));
            seq = seq.saturating_add(u64::from(event.is_durable()));
            SequencedEvent { event, seq }
        });
        let is_known = |sequenced: &SequencedEvent| {
            if sequenced.event.is_durable() {
                sequenced.seq <= job.seq
            } else {
                sequenced.seq < job.seq
            }
        };
        let (known, new): (Vec<_>, Vec<_>) = sequenced.partition(is_known);
        let repeats: Vec<_> = known.iter().filter(|it| it.event.is_durable()).collect();
        if job.status.has_ended() && (!new.is_empty() || repeats.is_empty()) {
            return Err(finished(job));
        }
        if post.epoch != job.epoch || job.status == JobStatus::Queued {
            // The watchdog fails a job under a claim of its own.
            return Err(if job.status.has_ended() {
                finished(job)
            } else {
                lease_lost(job, post.epoch)
            });
        }
        if post.after_seq > job.seq {
            return Err(conflict(job.seq).with("after_seq", post.after_seq));
        }
        if let Some(last) = repeats.last() {
            let (job_id, events) = (&job.job_id, &self.stores.events);
            let logged = events.between(job_id, post.after_seq, last.seq).await?;
            let is_same = repeats.len() == logged.len()
                && repeats.iter().zip(&logged).all(|(sequenced, logged)| {
                    serde_json::from_str(&logged.message).is_ok_and(|message| {
                        idempotency::matches_logged(&job.job_id, &message, &sequenced.event)
                    })
                });
            if !is_same {
                // Its place is taken by the end, if the job has ended without its worker.
                return Err(if job.status.has_ended() {
                    finished(job)
                } else {
                    conflict(job.seq)
                });
            }
        }
        let has_repeats = !repeats.is_empty();
        check_stages(job, &new)?;
        Ok((has_repeats, new))
    }

    /// Publishes events. With them, or with a write of its own if none of them is new, the lease of a
    /// job that goes on is renewed.
    async fn tell(
        &self,
        job: &Job,
        new: Vec<SequencedEvent>,
        publisher: &mut Publisher<WorkerFunction>,
    ) -> Result<PostResult, PublishError> {
        let clock = &self.stores.clock;
        let mut result = PostResult {
            status: job.status,
            cancel_requested: job.cancel_requested,
            lease_expires_at: Timestamp::from_epoch_seconds(job.lease_expires_at),
        };
        let mut tracker = ProgressTracker::of(job);
        let mut last_results = None;
        // The job may have ended since it was read: by a post that this one repeats, or without its
        // worker.
        let mut ended = None;
        let before = publisher.seq();
        let mut is_renewed = false;
        let mut events = new.into_iter().map(|sequenced| sequenced.event).peekable();
        while let Some(event) = events.next() {
            let lease_status = match event {
                WorkerEvent::ProgressUpdate(update) => {
                    let point = tracker.advance(&update, clock.millis());
                    // A later one, in the same post, is the only one that counts.
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
                        None => self.last_results(job, publisher.seq()).await?,
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
                    // The event was committed without this post, and the job has ended since. What
                    // follows is compared with the log: it may be a repeat.
                    ended = Some(lease_status.status);
                }
            }
        }
        match ended {
            // Nothing of this post is in the log.
            Some(_) if publisher.seq() == before => return Err(PublishError::LeaseLost),
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

    /// The results of the job: those of its last stage, whose message is at `seq`.
    async fn last_results(&self, job: &Job, seq: u64) -> Result<Option<Results>, StoreError> {
        let event = self.stores.events.at(&job.job_id, seq).await?;
        let message = event.and_then(|event| serde_json::from_str(&event.message).ok());
        Ok(match message {
            Some(ServerMessage::StageComplete(complete)) => Some(complete.results),
            _ => None,
        })
    }

    /// Why an event could not be published; the ones before it, up to `seq`, are. A write whose
    /// condition did not hold has several possible causes: the job says which it was.
    pub(crate) async fn explain(
        &self,
        job: &Job,
        error: PublishError,
        seq: u64,
    ) -> Result<ApiError, StoreError> {
        match error {
            PublishError::LeaseLost => {}
            PublishError::Conflict { .. } => return Ok(conflict(seq)),
            PublishError::Store(error) => return Ok(error.into()),
        }
        Ok(match self.stores.jobs.load(&job.job_id).await? {
            Some(current) if current.status.has_ended() => finished(&current),
            Some(current) if current.epoch != job.epoch => lease_lost(&current, job.epoch),
            // The worker has the job: the post met another one.
            _ => try_again(seq),
        })
    }
}

/// The worker posts under the epoch `posted`, which is not that of the job's last claim.
fn lease_lost(job: &Job, posted: u64) -> ApiError {
    let (job_id, epoch) = (&job.job_id, job.epoch);
    let message = if posted > epoch || job.status == JobStatus::Queued {
        format!(
            "the job has no claim with the epoch {posted}; claim it with \
             POST /v1/jobs/{job_id}/claim, and send the epoch of the answer"
        )
    } else {
        format!(
            "the job has been claimed since, with the epoch {epoch}; stop working on it unless \
             that claim is yours"
        )
    };
    ApiError::new(HttpErrorCode::LeaseLost, message)
        .with("epoch", epoch)
        .with("seq", job.seq)
}

fn try_again(seq: u64) -> ApiError {
    ApiError::new(
        HttpErrorCode::ConflictRetry,
        "the post met another one at this job; the job is still yours: repeat the post as it is",
    )
    .with("seq", seq)
}

fn conflict(seq: u64) -> ApiError {
    ApiError::new(
        HttpErrorCode::SeqConflict,
        format!(
            "the job's last durable message has the seq {seq}, and what follows `after_seq` is not \
             what was posted; send one post at a time, with the seq of the last answer as \
             after_seq, and repeat a post only as it was"
        ),
    )
    .with("seq", seq)
}

/// Refuses events about stages that are not there, or not any more, and a stop that nobody asked
/// for.
fn check_stages(job: &Job, new: &[SequencedEvent]) -> Result<(), ApiError> {
    let mut finished: Vec<&str> = job.checkpoints.keys().map(String::as_str).collect();
    for SequencedEvent { event, .. } in new {
        let stage = event.stage();
        if let Some(stage) = stage
            && !job.stages.iter().any(|known| known == stage)
        {
            let stage: String = stage.chars().take(64).collect();
            let message = format!(
                "the claim has not named a stage '{stage}'; its stages are {}",
                job.stages.join(", ")
            );
            let problem = ApiError::new(HttpErrorCode::UnknownStage, message);
            return Err(problem.with("stage", stage).with("seq", job.seq));
        }
        match (event, stage) {
            (WorkerEvent::ProgressUpdate(_) | WorkerEvent::StageComplete(_), Some(stage)) => {
                if finished.contains(&stage) {
                    let message = format!("the stage '{stage}' has finished; it cannot go on");
                    let problem = ApiError::new(HttpErrorCode::StageFinished, message);
                    return Err(problem.with("stage", stage).with("seq", job.seq));
                }
                if event.is_durable() {
                    finished.push(stage);
                }
            }
            (WorkerEvent::JobCancelled(_), _) if !job.cancel_requested => {
                let problem = ApiError::new(
                    HttpErrorCode::NotCancelled,
                    "nobody has asked the job to stop; a worker that gives up posts job_failed",
                );
                return Err(problem.with("seq", job.seq));
            }
            _ => {}
        }
    }
    Ok(())
}
