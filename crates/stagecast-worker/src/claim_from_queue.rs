//! `POST /v1/queues/{queue}/claim`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use futures_util::future::try_join;
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
    models::{Job, WaitingJob, WaitingOwner},
    stores::{Claim, ExternalClaim, QueueAccess, StoreError},
    waiting, watchdog,
};

use crate::{
    claim::{Acquired, acquired},
    claim_order::{Jobs, Next, Order, Turn},
    context::Context,
    listening,
    slots::{self, NoSlot, give_up_slot, reserve_slot},
    time_limit,
};

/// The number of entries that are read at once.
const PAGE: i32 = 10;

/// Maximum number of entries whose jobs one request tries to claim, and of owners whose entries it reads.
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

/// Claims the next job of the queue; none if no job of it can be claimed. [`Order`] says whose job is next.
///
/// Of the jobs of an owner, or of those without one, the first is the one that has waited for the longest time. After
/// another claimant was quicker, the next one is a random one of the same priority, so that many claimants do not
/// follow each other from job to job.
async fn claim_next(
    context: &Context,
    queue: &QueueName,
    claim: &QueueClaimRequest,
) -> Result<Option<Claimed>, ApiError> {
    let waiting = &context.stores.waiting;
    let (owners, unowned) =
        try_join(waiting.owners(queue), waiting.first(queue, None, PAGE)).await?;
    let mut search = Search {
        context,
        claim,
        queue,
        order: Order::new(owners.owners, context.stores.clock.now()),
        last_unowned: unowned.last().cloned(),
        unowned,
        tried: 0,
        is_contended: false,
        // A claim that gave up on the owners that were read may have missed others.
        must_repeat: owners.is_partial,
    };
    while search.tried < MAX_ENTRIES {
        let priority = search.unowned.first().map(WaitingJob::priority);
        let claimed = match search.order.next(priority) {
            Some(Next::Unowned) => Box::pin(search.try_unowned()).await?,
            Some(Next::Owner(turn)) => Box::pin(search.try_owner(*turn)).await?,
            None if search.must_repeat => break,
            None => return Ok(None),
        };
        if let Some(claimed) = claimed {
            return Ok(Some(*claimed));
        }
    }
    Err(ApiError::new(
        HttpErrorCode::ConflictRetry,
        format!(
            "other workers claimed jobs of the queue at the same time: {} were tried; repeat the claim",
            search.tried
        ),
    ))
}

/// The search of one claim for a job.
struct Search<'a> {
    context: &'a Context,
    claim: &'a QueueClaimRequest,
    queue: &'a QueueName,
    order: Order,
    /// Jobs without an owner that were read and not tried yet.
    unowned: Vec<WaitingJob>,
    /// The last one that was read.
    last_unowned: Option<WaitingJob>,
    /// Jobs that were tried, and owners whose jobs were read.
    tried: usize,
    /// Whether another claimant was quicker.
    is_contended: bool,
    /// Whether a job may be claimable that the search has not tried.
    must_repeat: bool,
}

impl Search<'_> {
    /// Tries the first job without an owner, or a random one under contention.
    async fn try_unowned(&mut self) -> Result<Option<Box<Claimed>>, ApiError> {
        let index = next_index(&self.unowned, self.is_contended);
        let entry = self.unowned.remove(index);
        self.tried += 1;
        let tried = Box::pin(try_claim(self.context, &entry, self.claim)).await?;
        if let Tried::Claimed(claimed, _) = tried {
            return Ok(Some(claimed));
        }
        if self.unowned.is_empty() {
            let waiting = &self.context.stores.waiting;
            let after = self.last_unowned.as_ref();
            self.unowned = waiting.first(self.queue, after, PAGE).await?;
            self.last_unowned = self.unowned.last().cloned().or(self.last_unowned.take());
        }
        match tried {
            Tried::Lost => self.is_contended = true,
            Tried::Claimed(..) | Tried::NotClaimable => {}
            // An entry of a version that stored all entries in the queue itself.
            Tried::Full => move_to_owner(self.context, &entry).await?,
            Tried::Repeat => self.must_repeat = true,
        }
        Ok(None)
    }

    /// Tries the jobs of an owner, unless another owner comes first now that the running jobs are counted.
    async fn try_owner(&mut self, mut turn: Turn) -> Result<Option<Box<Claimed>>, ApiError> {
        let (context, limit) = (self.context, self.context.owner_limit);
        let waiting = &context.stores.waiting;
        let mut jobs = if let Some(jobs) = turn.jobs.take() {
            jobs
        } else {
            self.tried += 1;
            let (part, priority) = (turn.owner.part(), turn.owner.priority());
            let (left, running) = try_join(
                waiting.first_of(&part, priority, PAGE),
                waiting.count_running(&part, limit),
            )
            .await?;
            let is_full = limit.is_some_and(|limit| running >= u32::from(limit.jobs()));
            if left.is_empty() || is_full {
                self.leave_out(&turn.owner).await?;
                return Ok(None);
            }
            let jobs = Jobs {
                is_single: left.len() == 1,
                is_partial: i32::try_from(left.len()).is_ok_and(|read| read >= PAGE),
                left,
            };
            if running != std::mem::replace(&mut turn.running, running)
                && self.order.has_better(&turn)
            {
                waiting.record_count(&turn.owner, running, None).await?;
                turn.jobs = Some(jobs);
                self.order.put_back(turn);
                return Ok(None);
            }
            jobs
        };
        while !jobs.left.is_empty() {
            let entry = jobs.left.remove(next_index(&jobs.left, self.is_contended));
            self.tried += 1;
            match Box::pin(try_claim(context, &entry, self.claim)).await? {
                Tried::Claimed(claimed, counted) => {
                    let running = counted.unwrap_or(turn.running + 1);
                    record_turn(context, &turn.owner, &jobs, running).await;
                    return Ok(Some(claimed));
                }
                Tried::Lost => {
                    // The job runs, or is about to.
                    self.is_contended = true;
                    turn.running += 1;
                    turn.jobs = Some(jobs);
                    self.order.put_back(turn);
                    return Ok(None);
                }
                Tried::NotClaimable => {}
                Tried::Full => {
                    self.leave_out(&turn.owner).await?;
                    return Ok(None);
                }
                Tried::Repeat => {
                    self.must_repeat = true;
                    return Ok(None);
                }
            }
        }
        self.must_repeat |= jobs.is_partial;
        Ok(None)
    }

    /// Deletes the item of an owner without a claimable job. If a job became claimable since, the claim is repeated.
    async fn leave_out(&mut self, owner: &WaitingOwner) -> Result<(), ApiError> {
        let deleted = self.context.stores.waiting.delete_owner(owner).await?;
        self.must_repeat |= !deleted;
        Ok(())
    }
}

/// Records that a job of the owner was claimed, which has `running` jobs now. If it has no other waiting job or no free
/// slot, its item is deleted instead of by the next claim. A failure is only logged: the next claim counts again.
async fn record_turn(context: &Context, owner: &WaitingOwner, jobs: &Jobs, running: u32) {
    let waiting = &context.stores.waiting;
    let is_full = context
        .owner_limit
        .is_some_and(|limit| running >= u32::from(limit.jobs()));
    let recorded = if is_full || jobs.is_single {
        waiting.delete_owner(owner).await.map(|_| ())
    } else {
        let now = context.stores.clock.millis();
        waiting.record_count(owner, running, Some(now)).await
    };
    if let Err(error) = recorded {
        tracing::warn!(%error, "the turn of an owner could not be recorded");
    }
}

/// Moves the entry of a job whose owner has no free slot to the owner's part of the queue.
async fn move_to_owner(context: &Context, entry: &WaitingJob) -> Result<(), ApiError> {
    let stores = &context.stores;
    if let Some(job) = stores.jobs.load(&entry.job_id).await? {
        waiting::enqueue(&stores.waiting, &job).await?;
    }
    stores.waiting.delete_unchanged(entry).await?;
    Ok(())
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
    /// The claim, and the number of running jobs of the owner with it if they were counted.
    Claimed(Box<Claimed>, Option<u32>),
    /// Another claimant was quicker.
    Lost,
    /// The entry's job has ended or cannot be claimed yet.
    NotClaimable,
    /// The job's owner has no free slot.
    Full,
    /// Other claims for the job's owner have reserved its free slots at the same time, and gave them up.
    Repeat,
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
    // Scheduled before the claim is written, as for every claim. It stores the entry again when the lease ends, and
    // frees the slot of the owner if this request is interrupted.
    let (epoch, delay) = (job.epoch + 1, watchdog::first_check_of_claim(&job));
    watchdog::schedule(&stores.queues, &job.job_id, Some(epoch), delay).await?;
    let slot = match reserve_slot(context, &job, epoch).await? {
        Ok(slot) => slot,
        Err(NoSlot::Taken) => return Ok(Tried::Lost),
        Err(NoSlot::Full) => return Ok(Tried::Full),
        Err(NoSlot::Contended) => return Ok(Tried::Repeat),
    };
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
        if let Some(slot) = slot {
            give_up_slot(context, &slot).await?;
        }
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
            Ok(Tried::Claimed(claimed, slot.and_then(|slot| slot.counted)))
        }
        Ok(Acquired::Ended(ended)) => {
            slots::free(context, &ended).await;
            Ok(Tried::NotClaimable)
        }
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
