//! `POST /v1/jobs/{job_id}/claim`.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use contract::{
    http::HttpErrorCode,
    limits::{MAX_EVENTS_BYTES, MAX_FRUITLESS_CLAIMS},
    messages::{JobError, ServerMessage},
    timestamp::Timestamp,
    worker::{ClaimRequest, Claimed, FinishedStage},
};
use handlers_core::{
    aws::SendError,
    delivery::Publisher,
    http::{Answer, Outcome, Problem, body_of},
    models::Job,
    stores::{Claim, Claimant, Ending, Lease, StoreError},
    watchdog,
};

use crate::handler::{Handler, finished};

impl Handler {
    pub(crate) async fn claim(&self, request: &ApiGatewayV2httpRequest) -> Outcome {
        let known = self.authorized(request).await?;
        let body = body_of(request, MAX_EVENTS_BYTES, "the names of the stages")?;
        let claim = ClaimRequest::parse(&body)?;
        let claimant = Claimant {
            stages: &claim.stages,
            worker_id: claim.worker_id.as_deref(),
        };
        if !known.status.has_ended() {
            if !known.is_unattended(self.stores.clock.now()) && !claimant.holds(&known) {
                return Err(self.held(known.lease_expires_at));
            }
            // Before the claim is written: no claim is without a watchdog, whatever dies meanwhile.
            self.start_watchdog(&known, known.epoch + 1).await?;
        }
        let claimed = self.stores.jobs.claim_for(&known.job_id, Some(claimant));
        match claimed.await? {
            Claim::Taken {
                job,
                lease,
                takeover,
            } => {
                if job.epoch != known.epoch + 1 {
                    // Another claim came between: the watchdog above is that one's.
                    self.start_watchdog(&job, job.epoch).await?;
                }
                let counted = job.fruitless_claims;
                let outcome = self.taken(*job, lease.clone(), takeover).await;
                if matches!(&outcome, Err(problem) if problem.code() == HttpErrorCode::Internal) {
                    // The worker will claim again, and has not crashed.
                    self.stores.jobs.excuse(&lease, counted).await;
                }
                outcome
            }
            Claim::Held { until } => Err(self.held(until)),
            Claim::Ended => {
                // It has ended since its key was looked at. Whoever ended it may have been cut short
                // while it told of it.
                self.stores.redeliver(&known.job_id, 0).await?;
                let job = self.stores.jobs.load(&known.job_id).await?;
                Err(finished(job.as_ref().unwrap_or(&known)))
            }
            Claim::Unknown => Err(Problem::ours("the job has gone while it was claimed")),
        }
    }

    async fn start_watchdog(&self, job: &Job, epoch: u64) -> Result<(), SendError> {
        let (queues, first) = (&self.stores.queues, watchdog::FIRST_LOOK_SECONDS);
        watchdog::schedule(queues, &job.job_id, Some(epoch), first).await
    }

    async fn taken(&self, mut job: Job, lease: Lease, takeover: bool) -> Outcome {
        tracing::info!(epoch = lease.epoch, takeover, "claimed");
        if takeover && job.seq > 0 {
            // Nobody knows what the worker before has got to send.
            self.stores.redeliver(&job.job_id, 0).await?;
        }
        let (before, job_id) = (job.seq, job.job_id.clone());
        let mut publisher = Publisher::new(Arc::clone(&self.stores), &job, lease);
        let is_hopeless = job.fruitless_claims > MAX_FRUITLESS_CLAIMS;
        let recovered = match publisher.recover().await {
            Ok(false) if is_hopeless => {
                let ending = Ending::Failed(hopeless());
                let ended = publisher.end(&ending, job.stage.as_deref(), None).await;
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
            job = current.ok_or_else(|| Problem::ours("the job has gone while it was claimed"))?;
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
        Answer::json(200, &claimed)
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
        Ok(stages.collect())
    }

    fn held(&self, until: i64) -> Problem {
        let seconds = (until - self.stores.clock.now().epoch_seconds() + 1).max(1);
        Problem::new(
            HttpErrorCode::JobHeld,
            format!(
                "another worker has the job; if it is gone, its lease ends in {seconds} seconds. \
                 A worker that gives its worker_id gets its own job back at once"
            ),
        )
        .with("retry_after_seconds", seconds)
    }
}

fn hopeless() -> JobError {
    JobError {
        code: "too_many_attempts".to_owned(),
        message: format!(
            "the job was claimed {MAX_FRUITLESS_CLAIMS} times without finishing a stage; its \
             worker may crash on it"
        ),
    }
}
