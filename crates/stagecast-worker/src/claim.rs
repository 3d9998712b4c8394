//! `POST /v1/jobs/{job_id}/claim`.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use raw_json::RawJson;
use stagecast_contract::{
    http::HttpErrorCode,
    ids::JobId,
    limits::{MAX_ATTEMPTS_WITHOUT_PROGRESS, MAX_CLAIM_RESULTS_BYTES, MAX_EVENTS_BYTES},
    messages::{FailureCode, JobError, JobStatus, Results, ServerMessage},
    timestamp::Timestamp,
    worker::{ClaimRequest, Claimed, FinishedStage},
};
use stagecast_core::{
    delivery::Publisher,
    http::{ApiError, ApiResponse, ApiResult, read_body},
    models::{Job, TerminalState},
    response_size::json_string_bytes,
    stores::{Claim, ExternalClaim, Lease, StoreError},
    waiting, watchdog,
};

use crate::{
    access, checkpoints,
    context::Context,
    errors::{finished, publish_error},
    slots, time_limit,
};

/// Maximum number of attempts of a claim that conflicts with other claims of the same job.
const MAX_ATTEMPTS: u32 = 5;

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let stores = &context.stores;
    let job = access::load_job(context, request).await?;
    let body = read_body(request, MAX_EVENTS_BYTES, "the names of the stages")?;
    let claim = ClaimRequest::parse(&body)?;
    let external = ExternalClaim {
        stages: &claim.stages,
        worker_id: claim.worker_id.as_deref(),
        new_key: None,
    };
    let mut job = Box::pin(time_limit::enforce(context, job)).await?;
    for _ in 0..MAX_ATTEMPTS {
        if job.status.has_ended() {
            return Err(already_ended(context, &job).await?);
        }
        if job.status == JobStatus::AwaitingInput {
            return Err(awaits_input());
        }
        if job.seconds_until_start(stores.clock.now()) > 0 {
            return Err(not_due(context, &job));
        }
        if !job.is_unattended(stores.clock.now()) && !external.holds(&job) {
            return Err(held(context, job.lease_expires_at));
        }
        // Scheduled before the claim is written, and the claim is only written with this epoch. So
        // every claim has a watchdog, even if this invocation is killed.
        let (epoch, delay) = (Some(job.epoch + 1), watchdog::first_check_of_claim(&job));
        watchdog::schedule(&stores.queues, &job.job_id, epoch, delay).await?;
        match stores.jobs.claim_for(&job, external).await? {
            Claim::Acquired {
                job,
                lease,
                takeover,
            } => {
                let attempts = job.attempts_without_progress;
                waiting::dequeue(&stores.waiting, &job).await;
                reserve_slot(context, &job).await;
                let result = acquired(context, *job, lease.clone(), takeover).await;
                if matches!(&result, Err(error) if error.code() == HttpErrorCode::Internal) {
                    // The worker did not crash: it receives the error and claims the job again.
                    stores.jobs.refund_attempt(&lease, attempts).await;
                }
                return match result? {
                    Acquired::Claimed(claimed) => ApiResponse::json(200, &claimed),
                    Acquired::Ended(job) => {
                        slots::free(context, &job).await;
                        Err(finished(&job))
                    }
                };
            }
            Claim::Outdated(current) => job = *current,
            Claim::Held { until } => return Err(held(context, until)),
            Claim::Ended => return Err(already_ended(context, &job).await?),
            Claim::NotFound => return Err(job_deleted()),
        }
    }
    Err(held(context, job.lease_expires_at))
}

/// Takes the slot of a job of a queue that its worker has claimed again. Usually the job has it still. A claim by the
/// job's id is not limited: its worker has the job already.
async fn reserve_slot(context: &Context, job: &Job) {
    let reserved = context.stores.waiting.reserve(job, job.epoch).await;
    if let Err(error) = reserved {
        tracing::warn!(%error, "the job does not count as a running job of its owner");
    }
}

/// The error for a claim of a job that has ended. The invocation that ended it may have been killed
/// before it notified the subscribers, so they are notified again.
async fn already_ended(context: &Context, job: &Job) -> Result<ApiError, ApiError> {
    context.stores.redeliver(&job.job_id, 0).await?;
    let current = context.stores.jobs.load(&job.job_id).await?;
    Ok(finished(current.as_ref().unwrap_or(job)))
}

/// A job after its claim.
pub(crate) enum Acquired {
    /// The worker can run it.
    Claimed(Box<Claimed>),
    /// The claim has ended it: it was over a limit, its attempts were exhausted, or its last worker had logged its end.
    Ended(Box<Job>),
}

/// Prepares a claimed job for its worker: recovers what the last claim has not committed, and fails the
/// job if its attempts are exhausted.
pub(crate) async fn acquired(
    context: &Context,
    mut job: Job,
    lease: Lease,
    takeover: bool,
) -> Result<Acquired, ApiError> {
    tracing::info!(epoch = lease.epoch, takeover, "claimed");
    let stores = &context.stores;
    if takeover && job.seq > 0 {
        // The last worker's posts may have been killed before they notified the subscribers.
        stores.redeliver(&job.job_id, 0).await?;
    }
    let (seq_before, job_id) = (job.seq, job.job_id.clone());
    let mut publisher = Publisher::new(Arc::clone(stores), &context.objects, &job, lease);
    let is_exhausted = job.attempts_without_progress > MAX_ATTEMPTS_WITHOUT_PROGRESS;
    // Also a first claim that was too late.
    let over_limit = job.exceeded_limit(stores.clock.now());
    let failure = over_limit.or_else(|| is_exhausted.then(attempts_exhausted));
    let is_failing = failure.is_some();
    let recovered = match (publisher.recover().await, failure) {
        (Ok(false), Some(failure)) => {
            let terminal_state = TerminalState::Failed(failure);
            let ended = publisher
                .end(&terminal_state, job.stage.as_deref(), None)
                .await;
            ended.map(|()| true)
        }
        (recovered, _) => recovered,
    };
    publisher.flush_within_budget(seq_before).await;
    let recovered = match recovered {
        Ok(recovered) => recovered,
        Err(error) => return Err(publish_error(context, &job, error, seq_before).await?),
    };
    if recovered || is_failing {
        let current = stores.jobs.load(&job_id).await?;
        job = current.ok_or_else(job_deleted)?;
        // A recovered stage does not end a job that is over its limit.
        job = Box::pin(time_limit::enforce(context, job)).await?;
        if job.status.has_ended() {
            return Ok(Acquired::Ended(Box::new(job)));
        }
    }
    let run_until = job.run_seconds.and_then(|_| job.time_limit());
    let claimed = Claimed {
        epoch: job.epoch,
        seq: job.seq,
        cancel_requested: job.cancel_requested,
        lease_expires_at: Timestamp::from_epoch_seconds(job.lease_expires_at),
        finished: finished_stages(context, &job).await?,
        checkpoint: checkpoints::of_claimed(context, &job).await?,
        artifacts: context.stores.artifacts.load(&job).await?.all(),
        parameters: context.stores.parameters.load(&job).await?,
        attempt: job.attempts_without_progress,
        created_at: job.created_at,
        run_until,
        priority: None,
        worker_key: None,
        websocket_url: None,
        queue: job.queue,
        content_type: job.content_type,
        labels: job.labels,
        job_id,
    };
    Ok(Acquired::Claimed(Box::new(claimed)))
}

/// The stages that have finished, in their order, with as many results as fit into the response.
async fn finished_stages(context: &Context, job: &Job) -> Result<Vec<FinishedStage>, StoreError> {
    let events = &context.stores.events;
    let logged = events.between(&job.job_id, 0, job.seq).await?;
    let stages =
        logged
            .iter()
            .filter_map(|event| match serde_json::from_str(&event.message).ok()? {
                ServerMessage::StageComplete(complete) => Some(FinishedStage {
                    stage: complete.stage,
                    results: complete.results,
                }),
                _ => None,
            });
    let mut stages: Vec<_> = stages.collect();
    replace_results_by_urls(&job.job_id, &mut stages, MAX_CLAIM_RESULTS_BYTES);
    Ok(stages)
}

/// The error for a job whose input is not uploaded yet.
fn awaits_input() -> ApiError {
    ApiError::new(
        HttpErrorCode::AwaitingInput,
        "the job's input is not uploaded yet; claim the job once its status is `queued`",
    )
}

/// The error for a job whose start is later.
fn not_due(context: &Context, job: &Job) -> ApiError {
    let seconds = job.seconds_until_start(context.stores.clock.now()).max(1);
    let run_at = job.run_at.map(|at| at.to_string()).unwrap_or_default();
    ApiError::new(
        HttpErrorCode::NotDue,
        format!("the job may not start before {run_at}; claim it in {seconds} seconds"),
    )
    .with("run_at", run_at)
    .with("retry_after_seconds", seconds)
}

/// The error while another worker holds the job; its lease expires at `until`, in epoch seconds.
fn held(context: &Context, until: i64) -> ApiError {
    let seconds = (until - context.stores.clock.now().epoch_seconds() + 1).max(1);
    ApiError::new(
        HttpErrorCode::JobHeld,
        format!(
            "another worker has the job; if it is gone, its lease ends in {seconds} seconds. \
             A worker that gives its worker_id gets its own job back at once"
        ),
    )
    .with("retry_after_seconds", seconds)
}

/// Replaces the results of the earliest stages by their URL, so that the others have at most `max_bytes`
/// in the string that the function returns. Workers mostly need the results of the last stage.
fn replace_results_by_urls(job_id: &JobId, stages: &mut [FinishedStage], max_bytes: usize) {
    let mut bytes = 0;
    for FinishedStage { stage, results } in stages.iter_mut().rev() {
        bytes += json_string_bytes(results.results.get());
        if bytes > max_bytes && results.results_url.is_none() {
            *results = Results {
                results: RawJson::null(),
                results_url: Some(format!("/v1/jobs/{job_id}/results?stage={stage}")),
            };
        }
    }
}

fn job_deleted() -> ApiError {
    ApiError::internal("the job has gone while it was claimed")
}

fn attempts_exhausted() -> JobError {
    JobError::of(
        FailureCode::TooManyAttempts,
        format!(
            "the job was claimed {MAX_ATTEMPTS_WITHOUT_PROGRESS} times without finishing a stage; its \
             worker may crash on it"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stagecast_contract::{
        ids::WorkerKey,
        limits::{
            MAX_ARTIFACT_NAME_BYTES, MAX_ARTIFACTS, MAX_CONTENT_TYPE_BYTES,
            MAX_INLINE_RESULTS_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES,
            MAX_PARAMETERS_BYTES, MAX_WORKER_ARTIFACT_BYTES, MAX_WORKER_CHECKPOINT_BYTES,
        },
        messages::Artifact,
        timestamp::Timestamp,
        worker::WorkerCheckpoint,
    };
    use stagecast_core::response_size::fits_into_response;

    use super::*;

    fn finished(stages: usize, results: &str) -> Vec<FinishedStage> {
        let results = RawJson::from_text(results.to_owned()).unwrap();
        let stage = |index| FinishedStage {
            stage: format!("stage_{index}_{}", "x".repeat(50)),
            results: Results {
                results: results.clone(),
                results_url: None,
            },
        };
        (0..stages).map(stage).collect()
    }

    fn job_id() -> JobId {
        "job_20240115_ab".parse().unwrap()
    }

    #[test]
    fn results_of_the_last_stages_stay_inline_while_they_fit() {
        let mut stages = finished(4, r#""ab""#);
        // Each takes eight bytes as a JSON string: four bytes, two of them escaped, and two quotes.
        replace_results_by_urls(&job_id(), &mut stages, 16);
        let inline: Vec<_> = stages.iter().map(|it| it.results.results.get()).collect();
        assert_eq!(inline, ["null", "null", r#""ab""#, r#""ab""#]);
        let url = stages[0].results.results_url.as_deref().unwrap();
        assert!(url.ends_with(&format!("/results?stage={}", stages[0].stage)));
        assert_eq!(stages[3].results.results_url, None);
    }

    #[test]
    fn response_fits_with_any_number_of_finished_stages() {
        let quotes = r#"\""#.repeat(MAX_INLINE_RESULTS_BYTES / 2 - 1);
        let mut stages = finished(1_000, &format!("\"{quotes}\""));
        replace_results_by_urls(&job_id(), &mut stages, MAX_CLAIM_RESULTS_BYTES);
        let artifact = Artifact {
            name: "x".repeat(MAX_ARTIFACT_NAME_BYTES),
            content_type: "x".repeat(MAX_CONTENT_TYPE_BYTES),
            size: MAX_WORKER_ARTIFACT_BYTES,
            sha256: "0".repeat(64),
        };
        let claimed = Claimed {
            job_id: job_id(),
            epoch: 1,
            seq: 1_000,
            cancel_requested: false,
            content_type: "text/plain".to_owned(),
            parameters: Some(json!({ "a": "\"".repeat(MAX_PARAMETERS_BYTES) }).into()),
            labels: (0..MAX_LABELS)
                .map(|number| (number.to_string(), "\u{1}".repeat(MAX_LABEL_VALUE_BYTES)))
                .collect(),
            lease_expires_at: Timestamp::from_epoch_seconds(0),
            finished: stages,
            attempt: 1,
            created_at: Timestamp::from_epoch_seconds(0),
            run_until: Some(Timestamp::from_epoch_seconds(0)),
            queue: Some("q".repeat(32).parse().unwrap()),
            priority: Some(9),
            worker_key: Some(WorkerKey::new([1; 16])),
            websocket_url: Some("x".repeat(300)),
            checkpoint: Some(WorkerCheckpoint {
                stage: "x".repeat(MAX_NAME_BYTES),
                state: json!("\"".repeat(MAX_WORKER_CHECKPOINT_BYTES / 2 - 1)).into(),
            }),
            artifacts: vec![artifact; MAX_ARTIFACTS],
        };
        assert!(fits_into_response(
            &serde_json::to_string(&claimed).unwrap()
        ));
    }
}
