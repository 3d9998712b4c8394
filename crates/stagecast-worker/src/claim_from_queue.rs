//! `POST /v1/queues/{queue}/claim`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::HttpErrorCode,
    ids::{WorkerKey, WorkerToken},
    limits::{EMPTY_QUEUE_RETRY_SECONDS, MAX_EVENTS_BYTES},
    messages::JobStatus,
    worker::{Claimed, QueueClaimRequest},
    worker_queues::{DEFAULT_PRIORITY, QueueName},
};
use stagecast_core::{
    clock::random,
    http::{ApiError, ApiResponse, ApiResult, bearer_token, read_body},
    models::{Job, WaitingJob},
    stores::{Claim, ExternalClaim, QueueAccess, StoreError},
    watchdog,
};

use crate::{
    claim::{Acquired, acquired},
    context::Context,
    listening, time_limit,
};

/// The number of entries that are read at once.
const PAGE: i32 = 10;

/// Maximum number of entries whose jobs one request tries to claim.
const MAX_ENTRIES: usize = 100;

/// Seconds after which an entry without a claimable job is deleted. The request that has stored it has ended by
/// then, so the job does not become claimable without a new entry.
const UNSETTLED_SECONDS: i64 = 60;

pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let queue = authorize(context, request).await?;
    let body = read_body(request, MAX_EVENTS_BYTES, "the names of the stages")?;
    let claim = QueueClaimRequest::parse(&body)?;
    let mut claimed = Box::pin(claim_next(context, &queue, &claim)).await?;
    if claimed.is_none()
        && let Some(listener) = &claim.listener
    {
        listening::arm(context, &queue, listener).await?;
        // A job that was stored before the listener was armed does not notify it.
        claimed = Box::pin(claim_next(context, &queue, &claim)).await?;
    }
    let Some(claimed) = claimed else {
        return Ok(ApiResponse::nothing_yet(EMPTY_QUEUE_RETRY_SECONDS)
            .with_websocket_url(context.websocket_url.clone()));
    };
    if let Some(listener) = &claim.listener {
        listening::withdraw(context, &queue, listener).await;
    }
    ApiResponse::json(200, &claimed)
}

/// The queue in the path, if the request's worker token allows to claim from it.
async fn authorize(
    context: &Context,
    request: &ApiGatewayV2httpRequest,
) -> Result<QueueName, ApiError> {
    let token = bearer_token(request).map(WorkerToken::from_client);
    let name = request.path_parameters.get("queue");
    let name = name.map(String::as_str).unwrap_or_default();
    let declared = &context.worker_queues;
    let access = context
        .worker_tokens
        .load_and_verify(token.as_ref(), name, declared)
        .await?;
    match access {
        QueueAccess::Granted(queue) => Ok(queue),
        QueueAccess::InvalidToken => Err(ApiError::new(
            HttpErrorCode::InvalidWorkerToken,
            "the worker token is missing, unknown, revoked or expired; send one that \
             `infra-gen worker-tokens create` has printed, as 'Authorization: Bearer stw_...'",
        )),
        QueueAccess::UnknownQueue => {
            let name: String = name.chars().take(64).collect();
            let names: Vec<_> = declared.names().iter().map(QueueName::as_str).collect();
            let message = format!(
                "there is no queue '{name}'; the product declares {}",
                if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                }
            );
            let error = ApiError::new(HttpErrorCode::UnknownQueue, message);
            Err(error.with("queue", name).with("queues", names))
        }
        QueueAccess::Forbidden(queue) => {
            let message = format!(
                "the worker token is not for the queue '{queue}'; make one with \
                 `infra-gen worker-tokens create --queue {queue}`"
            );
            let error = ApiError::new(HttpErrorCode::QueueForbidden, message);
            Err(error.with("queue", queue.as_str()))
        }
    }
}

/// Claims the next job of the queue; none if no job waits in it.
///
/// The first job is the one with the highest priority that has waited for the longest time. After another claimant
/// was quicker, the next job is a random one of the same priority, so that many claimants do not follow each other
/// from job to job.
async fn claim_next(
    context: &Context,
    queue: &QueueName,
    claim: &QueueClaimRequest,
) -> Result<Option<Claimed>, ApiError> {
    let mut after = None;
    let mut is_contended = false;
    let mut tried = 0;
    while tried < MAX_ENTRIES {
        let waiting = &context.stores.waiting;
        let mut page = waiting.first(queue, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        after = Some(last.clone());
        while !page.is_empty() {
            let entry = page.remove(next_index(&page, is_contended));
            tried += 1;
            match Box::pin(try_claim(context, &entry, claim)).await? {
                Tried::Claimed(claimed) => return Ok(Some(*claimed)),
                Tried::Lost => is_contended = true,
                Tried::NotClaimable => {}
            }
        }
    }
    Err(ApiError::new(
        HttpErrorCode::ConflictRetry,
        format!("the first {tried} jobs of the queue were claimed by others; repeat the claim"),
    ))
}

/// The entry of a page to try next.
fn next_index(page: &[WaitingJob], is_contended: bool) -> usize {
    if !is_contended {
        return 0;
    }
    let first = page.first().map(WaitingJob::priority);
    let equal = page
        .iter()
        .take_while(|entry| Some(entry.priority()) == first);
    let [random] = random();
    usize::from(random) % equal.count().max(1)
}

enum Tried {
    Claimed(Box<Claimed>),
    /// Another claimant was quicker.
    Lost,
    /// The entry's job has ended or cannot be claimed yet.
    NotClaimable,
}

async fn try_claim(
    context: &Context,
    entry: &WaitingJob,
    claim: &QueueClaimRequest,
) -> Result<Tried, ApiError> {
    let stores = &context.stores;
    let Some(job) = stores.jobs.load(&entry.job_id).await? else {
        delete_if_settled(context, entry).await;
        return Ok(Tried::NotClaimable);
    };
    tracing::Span::current().record("job_id", job.job_id.as_str());
    tracing::Span::current().record("correlation_id", job.correlation_id.as_str());
    let job = Box::pin(time_limit::enforce(context, job)).await?;
    if !job.is_claimable(stores.clock.now()) || job.cancel_requested {
        return Ok(not_claimable(context, entry, &job).await);
    }
    // Scheduled before the claim is written, as for every claim. It stores the entry again when the lease ends.
    let (epoch, delay) = (Some(job.epoch + 1), watchdog::first_check_of_claim(&job));
    watchdog::schedule(&stores.queues, &job.job_id, epoch, delay).await?;
    let worker_key = WorkerKey::new(random());
    let external = ExternalClaim {
        stages: &claim.stages,
        worker_id: claim.worker_id.as_deref(),
        new_key: Some(&worker_key),
    };
    let Claim::Acquired {
        job,
        lease,
        takeover,
    } = stores.jobs.claim_for(&job, external).await?
    else {
        return Ok(Tried::Lost);
    };
    let attempts = job.attempts_without_progress;
    let priority = job.priority.unwrap_or(DEFAULT_PRIORITY);
    if let Err(error) = stores.waiting.delete_claimed(entry, &job).await {
        log_deletion(entry, &error);
    }
    match acquired(context, *job, lease.clone(), takeover).await {
        Ok(Acquired::Claimed(mut claimed)) => {
            claimed.priority = Some(priority);
            claimed.worker_key = Some(worker_key);
            claimed.websocket_url = Some(context.websocket_url.clone());
            Ok(Tried::Claimed(claimed))
        }
        Ok(Acquired::Ended(_)) => Ok(Tried::NotClaimable),
        Err(error) => {
            // The worker did not crash, and does not know the job.
            stores.jobs.refund_attempt(&lease, attempts).await;
            match error.code() {
                HttpErrorCode::Internal => Err(error),
                _ => Ok(Tried::Lost),
            }
        }
    }
}

/// Deletes the entry of a job that cannot be claimed, if the entry cannot be needed any more.
async fn not_claimable(context: &Context, entry: &WaitingJob, job: &Job) -> Tried {
    if job.status.has_ended() || entry.epoch < job.epoch {
        let deleted = if job.status.has_ended() {
            context.stores.waiting.delete_unchanged(entry).await
        } else {
            context.stores.waiting.delete_claimed(entry, job).await
        };
        if let Err(error) = deleted {
            log_deletion(entry, &error);
        }
        return match job.status {
            JobStatus::Running => Tried::Lost,
            _ => Tried::NotClaimable,
        };
    }
    delete_if_settled(context, entry).await;
    Tried::NotClaimable
}

/// Deletes an entry whose job is not claimable. It stays for a while: it is stored before the write that makes the job
/// claimable.
async fn delete_if_settled(context: &Context, entry: &WaitingJob) {
    let age = context.stores.clock.now().epoch_seconds() - entry.stored_at.epoch_seconds();
    if age > UNSETTLED_SECONDS
        && let Err(error) = context.stores.waiting.delete_unchanged(entry).await
    {
        log_deletion(entry, &error);
    }
}

fn log_deletion(entry: &WaitingJob, error: &StoreError) {
    tracing::warn!(%error, job_id = %entry.job_id, "the job's entry in its queue could not be deleted");
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId},
        timestamp::Timestamp,
    };

    use super::*;

    fn entry(priority: u8) -> WaitingJob {
        let now = Timestamp::from_epoch_seconds(0);
        let job = Job::queued(
            JobId::new(now, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(now, [2; 8]),
            "req_1_a".to_owned(),
            "text/plain".to_owned(),
            now,
        );
        let queue = "plans".parse().expect("a name");
        let job = job.in_queue(queue, Some(priority), 0);
        WaitingJob::of(&job, now).expect("it has a queue")
    }

    #[test]
    fn random_choice_under_contention_keeps_the_priority() {
        let page = [7, 7, 7, 5, 5].map(entry);
        assert_eq!(next_index(&page, false), 0);
        let mut chosen: Vec<_> = (0..200).map(|_| next_index(&page, true)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen, [0, 1, 2]);
    }
}
