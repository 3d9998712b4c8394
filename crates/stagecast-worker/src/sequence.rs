//! The events of a post in the job's sequence: which are new, which are repeated, and whether they fit
//! the job.
//!
//! A durable event takes the next `seq`, counted from the post's `after_seq`. A progress update belongs
//! to the `seq` of the durable event before it. Events that the job already has are not applied again,
//! so a worker can repeat a post whose response was lost.

use stagecast_contract::{
    http::HttpErrorCode,
    limits::MAX_STAGES,
    messages::JobStatus,
    worker::{EventsRequest, InvalidBody, WorkerEvent, check_name},
};
use stagecast_core::{http::ApiError, models::Job};

use crate::{
    context::Context,
    errors::{finished, lease_lost, seq_conflict},
    idempotency,
};

/// An event with its position in the job's sequence.
struct SequencedEvent {
    event: WorkerEvent,
    /// The `seq` of a durable event. For a progress update, the `seq` of the last durable event before
    /// it.
    seq: u64,
}

impl SequencedEvent {
    fn is_known(&self, job: &Job) -> bool {
        if self.event.is_durable() {
            self.seq <= job.seq
        } else {
            self.seq < job.seq
        }
    }
}

/// A valid post.
pub(crate) struct ValidPost {
    /// The events that the job does not have yet.
    pub(crate) new_events: Vec<WorkerEvent>,
    /// Whether the post repeats durable events.
    pub(crate) has_repeats: bool,
}

/// Validates a post before any of its events is applied.
pub(crate) async fn validate(
    context: &Context,
    job: &Job,
    post: EventsRequest,
) -> Result<ValidPost, ApiError> {
    let (post_epoch, after_seq) = (post.epoch, post.after_seq);
    let (known, new): (Vec<_>, Vec<_>) = sequenced(job, post)
        .into_iter()
        .partition(|sequenced| sequenced.is_known(job));
    let repeats: Vec<_> = known.iter().filter(|it| it.event.is_durable()).collect();
    if job.status.has_ended() && (!new.is_empty() || repeats.is_empty()) {
        return Err(finished(job));
    }
    if post_epoch != job.epoch || job.status == JobStatus::Queued {
        // The watchdog claims a job to fail it, so the epoch of an ended job may be the watchdog's.
        return Err(if job.status.has_ended() {
            finished(job)
        } else {
            lease_lost(job, post_epoch)
        });
    }
    if after_seq > job.seq {
        return Err(seq_conflict(job.seq).with("after_seq", after_seq));
    }
    if !repeats.is_empty() && !are_logged(context, job, after_seq, &repeats).await? {
        // If the job has ended without its worker, its terminal event has the `seq` of a posted one.
        return Err(if job.status.has_ended() {
            finished(job)
        } else {
            seq_conflict(job.seq)
        });
    }
    let has_repeats = !repeats.is_empty();
    let index_of_first = known.len();
    let new_events: Vec<_> = new.into_iter().map(|it| it.event).collect();
    check_stages(job, &new_events, index_of_first)?;
    Ok(ValidPost {
        new_events,
        has_repeats,
    })
}

fn sequenced(job: &Job, post: EventsRequest) -> Vec<SequencedEvent> {
    let mut seq = post.after_seq;
    let sequenced = post.events.into_iter().map(|mut event| {
        event.forget_stage_unless(|stage| is_named(job, stage) || names_stages(job, stage));
        seq = seq.saturating_add(u64::from(event.is_durable()));
        SequencedEvent { event, seq }
    });
    sequenced.collect()
}

/// Whether the log after `after_seq` has exactly these durable events.
async fn are_logged(
    context: &Context,
    job: &Job,
    after_seq: u64,
    repeats: &[&SequencedEvent],
) -> Result<bool, ApiError> {
    let last_seq = repeats.last().map_or(after_seq, |it| it.seq);
    let events = &context.stores.events;
    let logged = events.between(&job.job_id, after_seq, last_seq).await?;
    Ok(repeats.len() == logged.len()
        && repeats.iter().zip(&logged).all(|(repeat, logged)| {
            serde_json::from_str(&logged.message).is_ok_and(|message| {
                idempotency::matches_logged(&job.job_id, &message, &repeat.event)
            })
        }))
}

/// Whether the claim has declared the stage.
fn is_named(job: &Job, stage: &str) -> bool {
    job.stages.iter().any(|known| known == stage)
}

/// Whether the claim has declared no stages, so that the worker names them as it goes, and this is a name.
fn names_stages(job: &Job, stage: &str) -> bool {
    job.stages.is_empty() && check_name("stage", stage).is_ok()
}

/// Checks the name of a stage that the worker names as it goes, in the event at `index`. `finished` are the stages that
/// have finished.
fn check_new_stage(finished: &[&str], stage: &str, index: usize) -> Result<(), InvalidBody> {
    let field = format!("events[{index}].stage");
    check_name(&field, stage)?;
    if finished.len() >= MAX_STAGES && !finished.contains(&stage) {
        let problem = format!("the job has {MAX_STAGES} stages, the maximum; end it");
        return Err(InvalidBody::field(field, problem));
    }
    Ok(())
}

/// Rejects events of stages that the claim has not declared or that have finished, and a
/// `job_cancelled` that no cancellation was requested for. `index_of_first` is the index of the first new event in its
/// post.
fn check_stages(
    job: &Job,
    new_events: &[WorkerEvent],
    index_of_first: usize,
) -> Result<(), ApiError> {
    let mut finished: Vec<&str> = job.checkpoints.keys().map(String::as_str).collect();
    for (index, event) in new_events.iter().enumerate() {
        let stage = event.stage();
        if let Some(stage) = stage
            && job.stages.is_empty()
        {
            check_new_stage(&finished, stage, index_of_first + index)?;
        } else if let Some(stage) = stage
            && !is_named(job, stage)
        {
            let stage: String = stage.chars().take(64).collect();
            let message = format!(
                "the claim has not named a stage '{stage}'; its stages are {}",
                job.stages.join(", ")
            );
            let error = ApiError::new(HttpErrorCode::UnknownStage, message);
            return Err(error.with("stage", stage).with("seq", job.seq));
        }
        match (event, stage) {
            (
                WorkerEvent::ProgressUpdate(_)
                | WorkerEvent::Checkpoint(_)
                | WorkerEvent::StageComplete(_),
                Some(stage),
            ) => {
                if finished.contains(&stage) {
                    let message = format!("the stage '{stage}' has finished; it cannot go on");
                    let error = ApiError::new(HttpErrorCode::StageFinished, message);
                    return Err(error.with("stage", stage).with("seq", job.seq));
                }
                if event.is_durable() {
                    finished.push(stage);
                }
            }
            (WorkerEvent::JobCancelled(_), _) if !job.cancel_requested => {
                let error = ApiError::new(
                    HttpErrorCode::NotCancelled,
                    "the cancellation of the job was not requested; a worker that gives up posts job_failed",
                );
                return Err(error.with("seq", job.seq));
            }
            _ => {}
        }
    }
    Ok(())
}
