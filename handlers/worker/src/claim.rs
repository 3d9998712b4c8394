//! `POST /v1/jobs/{job_id}/claim`.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use contract::{
    http::HttpErrorCode,
    ids::JobId,
    json::RawJson,
    limits::{MAX_ATTEMPTS_WITHOUT_PROGRESS, MAX_CLAIM_RESULTS_BYTES, MAX_EVENTS_BYTES},
    messages::{FailureCode, JobError, Results, ServerMessage},
    timestamp::Timestamp,
    worker::{ClaimRequest, Claimed, FinishedStage},
};
use handlers_core::{
    delivery::Publisher,
    http::{ApiError, ApiResponse, ApiResult, read_body},
    models::{Job, TerminalState},
    response_size::json_string_bytes,
    stores::{Claim, ExternalClaim, Lease, StoreError},
    watchdog,
};

use crate::handler::{Handler, finished};

/// Times that a claim meets others of the same job before it is refused.
const ATTEMPTS: u32 = 5;

impl Handler {
    pub(crate) async fn claim(&self, request: &ApiGatewayV2httpRequest) -> ApiResult {
        let mut known = self.authorized(request).await?;
        let body = read_body(request, MAX_EVENTS_BYTES, "the names of the stages")?;
        let claim = ClaimRequest::parse(&body)?;
        let external = ExternalClaim {
            stages: &claim.stages,
            worker_id: claim.worker_id.as_deref(),
        };
        for _ in 0..ATTEMPTS {
            if known.status.has_ended() {
                return Err(self.already_ended(&known).await?);
            }
            if !known.is_unattended(self.stores.clock.now()) && !external.holds(&known) {
                return Err(self.held(known.lease_expires_at));
            }
            // Before the claim is written, which is only written under this epoch: no claim is
            // without a watchdog, whatever dies meanwhile.
            let (queues, first) = (&self.stores.queues, watchdog::FIRST_CHECK_SECONDS);
            let epoch = Some(known.epoch + 1);
            watchdog::schedule(queues, &known.job_id, epoch, first).await?;
            match self.stores.jobs.claim_for(&known, external).await? {
                Claim::Acquired {
                    job,
                    lease,
                    takeover,
                } => {
                    let counted = job.attempts_without_progress;
                    let outcome = self.taken(*job, lease.clone(), takeover).await;
                    if matches!(&outcome, Err(problem) if problem.code() == HttpErrorCode::Internal)
                    {
                        // The worker will claim again, and has not crashed.
                        self.stores.jobs.refund_attempt(&lease, counted).await;
                    }
                    return outcome;
                }
                Claim::Outdated(job) => known = *job,
                Claim::Held { until } => return Err(self.held(until)),
                Claim::Ended => return Err(self.already_ended(&known).await?),
                Claim::NotFound => return Err(has_gone()),
            }
        }
        Err(self.held(known.lease_expires_at))
    }

    /// Refuses to claim a job that has ended. The process that ended it may have been cut short
    /// before the subscribers were notified.
    async fn already_ended(&self, known: &Job) -> Result<ApiError, ApiError> {
        self.stores.redeliver(&known.job_id, 0).await?;
        let job = self.stores.jobs.load(&known.job_id).await?;
        Ok(finished(job.as_ref().unwrap_or(known)))
    }

    async fn taken(&self, mut job: Job, lease: Lease, takeover: bool) -> ApiResult {
        tracing::info!(epoch = lease.epoch, takeover, "claimed");
        if takeover && job.seq > 0 {
            // Nobody knows what the worker before has got to send.
            self.stores.redeliver(&job.job_id, 0).await?;
        }
        let (before, job_id) = (job.seq, job.job_id.clone());
        let mut publisher = Publisher::new(Arc::clone(&self.stores), &self.objects, &job, lease);
        let is_hopeless = job.attempts_without_progress > MAX_ATTEMPTS_WITHOUT_PROGRESS;
        let recovered = match publisher.recover().await {
            Ok(false) if is_hopeless => {
                let terminal_state = TerminalState::Failed(attempts_exhausted());
                let ended = publisher
                    .end(&terminal_state, job.stage.as_deref(), None)
                    .await;
                ended.map(|()| true)
            }
            recovered => recovered,
        };
        publisher.flush_within_budget(before).await;
        let recovered = match recovered {
            Ok(recovered) => recovered,
            Err(error) => return Err(self.explain(&job, error, before).await?),
        };
        if recovered || is_hopeless {
            let current = self.stores.jobs.load(&job_id).await?;
            job = current.ok_or_else(has_gone)?;
            if job.status.has_ended() {
                return Err(finished(&job));
            }
        }
        let claimed = Claimed {
            epoch: job.epoch,
            seq: job.seq,
            cancel_requested: job.cancel_requested,
            lease_expires_at: Timestamp::from_epoch_seconds(job.lease_expires_at),
            finished: self.finished_stages(&job).await?,
            content_type: job.content_type,
            job_id,
        };
        ApiResponse::json(200, &claimed)
    }

    async fn finished_stages(&self, job: &Job) -> Result<Vec<FinishedStage>, StoreError> {
        let events = self.stores.events.between(&job.job_id, 0, job.seq).await?;
        let stages =
            events
                .iter()
                .filter_map(|event| match serde_json::from_str(&event.message).ok()? {
                    ServerMessage::StageComplete(complete) => Some(FinishedStage {
                        stage: complete.stage,
                        results: complete.results,
                    }),
                    _ => None,
                });
        let mut stages: Vec<_> = stages.collect();
        leave_out_results(&job.job_id, &mut stages, MAX_CLAIM_RESULTS_BYTES);
        Ok(stages)
    }

    fn held(&self, until: i64) -> ApiError {
        let seconds = (until - self.stores.clock.now().epoch_seconds() + 1).max(1);
        ApiError::new(
            HttpErrorCode::JobHeld,
            format!(
                "another worker has the job; if it is gone, its lease ends in {seconds} seconds. \
                 A worker that gives its worker_id gets its own job back at once"
            ),
        )
        .with("retry_after_seconds", seconds)
    }
}

/// Gives the address in place of the results of the earliest stages, so that the others have no more
/// than `max_bytes` in the string that the function returns. A worker mostly goes on from the last.
fn leave_out_results(job_id: &JobId, stages: &mut [FinishedStage], max_bytes: usize) {
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

fn has_gone() -> ApiError {
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
    use contract::{limits::MAX_INLINE_RESULTS_BYTES, timestamp::Timestamp};
    use handlers_core::response_size::fits_into_response;

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
    fn results_of_the_last_stages_stay_while_they_fit() {
        let mut stages = finished(4, r#""ab""#);
        // Four bytes, two of them quotes, in quotes.
        leave_out_results(&job_id(), &mut stages, 16);
        let inline: Vec<_> = stages.iter().map(|it| it.results.results.get()).collect();
        assert_eq!(inline, ["null", "null", r#""ab""#, r#""ab""#]);
        let url = stages[0].results.results_url.as_deref().unwrap();
        assert!(url.ends_with(&format!("/results?stage={}", stages[0].stage)));
        assert_eq!(stages[3].results.results_url, None);
    }

    #[test]
    fn a_claim_is_answered_however_many_stages_have_finished() {
        let quotes = r#"\""#.repeat(MAX_INLINE_RESULTS_BYTES / 2 - 1);
        let mut stages = finished(1_000, &format!("\"{quotes}\""));
        leave_out_results(&job_id(), &mut stages, MAX_CLAIM_RESULTS_BYTES);
        let claimed = Claimed {
            job_id: job_id(),
            epoch: 1,
            seq: 1_000,
            cancel_requested: false,
            content_type: "text/plain".to_owned(),
            lease_expires_at: Timestamp::from_epoch_seconds(0),
            finished: stages,
        };
        assert!(fits_into_response(
            &serde_json::to_string(&claimed).unwrap()
        ));
    }
}
