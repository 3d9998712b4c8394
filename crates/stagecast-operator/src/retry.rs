//! A job that runs again, as a new job.
//!
//! A job that has failed or was cancelled stays as it is: its end is the last message that its subscribers get. A retry
//! creates another job with the same input, parameters, labels, owner, webhook, queue, priority, time limits and correlation
//! id.
//!
//! | step | killed after it |
//! | --- | --- |
//! | the id of the new job is stored in the item of the old one | a further retry takes the same id |
//! | input, parameters, entry in the list of the owner, first check, entry in the queue | a further retry writes them again |
//! | the new job is stored, unless a job has its id | the watchdog starts it |
//! | its message is sent | |

use aws_sdk_s3::error::DisplayErrorContext;
use futures_util::TryFutureExt as _;
use serde::Serialize;
use stagecast_contract::{
    buckets::{self, input_key},
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    limits::JOB_TTL_SECONDS,
    messages::JobStatus,
    queues::JobMessage,
    time_limits::JobLimits,
    timestamp::Timestamp,
};
use stagecast_core::{
    clock::random,
    models::{Job, OwnedJob, Parameters},
    starting,
    stores::{RetryReservation, StoreError},
    watchdog,
};

use crate::{Operator, OperatorError, operator::ManagerStores};

/// The largest object that S3 copies in one request, in bytes.
pub const MAX_COPY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// A job that retries another one.
#[derive(Debug, Serialize)]
pub struct RetriedJob {
    /// The new job.
    pub job_id: JobId,
    /// The job that it retries.
    pub retry_of: JobId,
    /// The new job's access key, which is not shown again.
    pub access_key: AccessKey,
    /// Its worker key, if a worker runs it by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_key: Option<WorkerKey>,
}

impl Operator {
    /// Creates a job that retries a failed or cancelled one. A job that was retried before is retried only `again`.
    pub async fn retry(&self, job_id: &JobId, again: bool) -> Result<RetriedJob, OperatorError> {
        let job = self.load(job_id).await?;
        let stores = self.manager().await?;
        let (id, reserved_at) = self.reserve(&stores, &job, again).await?;
        // Before anything of the new job is stored: a job without an input cannot be retried.
        copy_input(&stores, job_id, &id).await?;
        let access_key = AccessKey::new(random());
        let has_worker_key = job.is_external() && job.queue.is_none();
        let worker_key = has_worker_key.then(|| WorkerKey::new(random()));
        let new = self.new_job(&job, id, &access_key, worker_key.as_ref());
        self.store(&stores, &job, &new, reserved_at).await?;
        Ok(RetriedJob {
            job_id: new.job_id,
            retry_of: job_id.clone(),
            access_key,
            worker_key,
        })
    }

    /// The id of the new job, under which no job exists, and when it was reserved.
    async fn reserve(
        &self,
        stores: &ManagerStores,
        job: &Job,
        again: bool,
    ) -> Result<(JobId, Timestamp), OperatorError> {
        let now = self.clock.now();
        let id = JobId::new(now, random());
        let mut former = None;
        loop {
            let reservation = stores
                .jobs
                .reserve_retry(&job.job_id, &id, former.as_ref())
                .await?;
            let (retry, at) = match reservation {
                RetryReservation::Reserved { retry, at } => (retry, at),
                RetryReservation::NotRetryable(None) => {
                    return Err(OperatorError::NoJob(job.job_id.clone()));
                }
                RetryReservation::NotRetryable(Some(status)) => {
                    return Err(OperatorError::NotRetryable {
                        job: job.job_id.clone(),
                        status,
                    });
                }
            };
            // Without a job, an earlier retry was interrupted before it created one.
            if retry == id || stores.jobs.load(&retry).await?.is_none() {
                return Ok((retry, at));
            }
            // A second conflict is the retry of another operator at this moment.
            if !again || former.is_some() {
                return Err(OperatorError::AlreadyRetried {
                    job: job.job_id.clone(),
                    retry,
                });
            }
            former = Some(retry);
        }
    }

    /// The new job, which is queued.
    fn new_job(
        &self,
        job: &Job,
        id: JobId,
        access_key: &AccessKey,
        worker_key: Option<&WorkerKey>,
    ) -> Job {
        let now = self.clock.now();
        let mut new = Job::queued(
            id,
            access_key,
            RequestId::new(now, random()),
            job.correlation_id.clone(),
            job.content_type.clone(),
            now,
        );
        if let Some(key) = worker_key {
            new = new.for_external_worker(key);
        }
        let retention = job.expires_at - job.created_at.epoch_seconds();
        // A job of an earlier version may have none.
        let retention = if retention > 0 {
            retention
        } else {
            JOB_TTL_SECONDS
        };
        new.expires_at = now.plus_seconds(retention).epoch_seconds();
        new = new.limited(JobLimits {
            queue_seconds: job.queue_seconds,
            run_seconds: job.run_seconds,
        });
        if let Some(queue) = &job.queue {
            new = new.in_queue(queue.clone(), job.priority, self.clock.millis());
        }
        new.owner.clone_from(&job.owner);
        new.labels.clone_from(&job.labels);
        new.webhook.clone_from(&job.webhook);
        new.has_parameters = job.has_parameters;
        new.retry_of = Some(job.job_id.clone());
        new
    }

    /// Stores the new job and starts it, in the order of [`starting`].
    async fn store(
        &self,
        stores: &ManagerStores,
        job: &Job,
        new: &Job,
        reserved_at: Timestamp,
    ) -> Result<(), OperatorError> {
        if let Some(parameters) = stores.parameters.load(job).await? {
            let id = new.job_id.clone();
            let parameters = Parameters::new(id, &parameters, new.expires_at);
            stores.parameters.save(&parameters).await?;
        }
        // The time of the reservation, so that a further retry writes the same entry.
        let reserved_millis = u64::try_from(reserved_at.epoch_seconds()).unwrap_or(0) * 1000;
        if let Some(owned) = OwnedJob::of(new, reserved_millis) {
            stores.owned.put(&owned).await?;
        }
        let (queues, now) = (&stores.queues, self.clock.now());
        starting::notify_feed(queues, new, now).await?;
        starting::schedule_first_check(queues, new, now).await?;
        starting::enqueue(&stores.waiting, new, now).await?;
        if !stores.jobs.create(new).await? {
            // Another operator has continued the same retry meanwhile.
            return Err(OperatorError::AlreadyRetried {
                job: job.job_id.clone(),
                retry: new.job_id.clone(),
            });
        }
        if new.status == JobStatus::Queued && !new.is_external() {
            let message = JobMessage::new(new.job_id.clone());
            starting::send_job_message(queues, new, &message, now).await?;
        }
        if new.queue.is_some() {
            // The delivery function notifies the workers that listen to the queue.
            watchdog::schedule(queues, &new.job_id, Some(new.epoch), 0).await?;
        }
        starting::schedule_early_check(queues, new, now).await?;
        Ok(())
    }
}

/// Copies the input within the bucket.
async fn copy_input(stores: &ManagerStores, from: &JobId, to: &JobId) -> Result<(), OperatorError> {
    let key = input_key(from);
    let head = stores.objects.head_object::<buckets::Objects>().key(&key);
    let head = match head.send().await {
        Ok(head) => head,
        Err(error) if is_missing(error.raw_response().map(|it| it.status().as_u16())) => {
            return Err(OperatorError::NoInput(from.clone()));
        }
        Err(error) => {
            let cause = DisplayErrorContext(&error).to_string();
            return Err(copy_failed("reading the size of the input", cause));
        }
    };
    let bytes = u64::try_from(head.content_length.unwrap_or_default()).unwrap_or(0);
    if bytes > MAX_COPY_BYTES {
        return Err(OperatorError::InputTooLarge {
            job: from.clone(),
            bytes,
        });
    }
    let copy = stores.objects.copy_object::<buckets::Objects>(&key);
    copy.key(input_key(to))
        .send()
        .map_ok(drop)
        .map_err(|error| copy_failed("copying the input", DisplayErrorContext(&error).to_string()))
        .await
}

/// Whether S3 says that an object does not exist.
fn is_missing(status: Option<u16>) -> bool {
    status == Some(404)
}

fn copy_failed(operation: &'static str, cause: String) -> OperatorError {
    OperatorError::Store(StoreError::Call { operation, cause })
}
