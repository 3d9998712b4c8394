//! Runs one job: claims it, resumes it, runs its stages and ends it.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use contract::{
    buckets::{self, input_key},
    ids::JobId,
    json::RawJson,
    limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
    messages::{Results, ServerMessage},
    queues::{JobMessage, JobQueue},
};
use futures_util::FutureExt as _;
use granted_aws::{Objects, SendError};
use tokio::time::Instant;
use tracing::Span;
use typed_contract::grants::{GetObject, Granted, SendMessage};

use super::{
    JobInput, Pipeline,
    executor::StageExecutor,
    failures::{attempts_exhausted, results_of},
    reporter::{PublishesProgress, Reporter, StageWeight, Stopped},
    stage::Step,
    supervise::{Supervised, supervise},
};
use crate::{
    delivery::{LeaseStatus, PublishError, Publisher, Publishes, Stores},
    models::{Job, TerminalState},
    progress::{Estimate, Progress},
    retry::RetryPolicy,
    stores::{Claim, Lease, ProgressPoint, ResultStore, StoreError},
};

/// The grants of a function that runs jobs.
pub trait Runs:
    Publishes + Granted<GetObject<buckets::Objects>> + Granted<SendMessage<JobQueue>>
{
}

impl<F> Runs for F where
    F: Publishes + Granted<GetObject<buckets::Objects>> + Granted<SendMessage<JobQueue>>
{
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// The job has ended, in this run or before it.
    Ended,
    /// The job does not exist, or does not any more.
    Unknown,
    /// Another run holds the lease. Check again after it ends.
    Held {
        /// When the lease ends unless it is renewed, in epoch seconds.
        until: i64,
    },
    /// The deadline was reached: the job is back on its queue.
    HandedBack,
    /// Another run has claimed the job, because this one did not renew its lease in time.
    LeaseLost,
}

/// A run failed. The job is as of its last commit, and the next claim resumes there.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A call to a table or to the bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job could not be sent to its queue.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The job's input is not in the bucket, or cannot be read.
    #[error("the input of {job_id} cannot be read from the bucket: {cause}")]
    Input {
        /// The job.
        job_id: JobId,
        /// The error of S3.
        cause: String,
    },
    /// The operating system could not start a thread for a stage.
    #[error("no thread could be started for {stage}: {cause}")]
    Thread {
        /// The stage.
        stage: &'static str,
        /// The error of the operating system.
        cause: io::Error,
    },
}

/// Runs jobs through a pipeline.
pub struct Runner<F> {
    stores: Arc<Stores<F>>,
    objects: Objects<F>,
    results: ResultStore<F>,
    steps: Vec<Step>,
    executor: StageExecutor,
}

impl<F: Runs> Runner<F> {
    /// A runner of the pipeline that `build` returns. `build` is called on the stages' runtime, so that
    /// clients and tasks that stages share are created there. Errors are those of `build` and of the start
    /// of that runtime.
    pub fn new<Output, E: From<io::Error>>(
        stores: Arc<Stores<F>>,
        objects: Objects<F>,
        build: impl FnOnce() -> Result<Pipeline<Output>, E>,
    ) -> Result<Self, E> {
        let executor = StageExecutor::new()?;
        let pipeline = {
            let _runtime = executor.enter();
            build()?
        };
        Ok(Self {
            stores,
            results: ResultStore::new(objects.clone()),
            objects,
            steps: pipeline.steps,
            executor,
        })
    }

    /// Waits up to `limit` for the threads of stages that did not stop when they were asked to, in runs that
    /// have ended. Returns the names of the stages whose threads still run. Their results and reports are
    /// discarded, but they use processor time and memory until the process ends.
    pub async fn stuck_stages(&self, limit: Duration) -> Vec<&'static str> {
        self.executor.stuck(limit).await
    }

    /// Reads the job; none when it does not exist.
    pub async fn load(&self, job_id: &JobId) -> Result<Option<Job>, RunError> {
        Ok(self.stores.jobs.load(job_id).await?)
    }

    /// Queues a task that sends the log again, because an interrupted run may not have sent it.
    pub async fn redeliver(&self, job_id: &JobId) -> Result<(), RunError> {
        Ok(self.stores.redeliver(job_id, 0).await?)
    }

    /// Runs the remaining stages of the job, until `deadline` at the latest. Records the fields `request_id`
    /// and `correlation_id` of the current span, if it declares them.
    ///
    /// The thread that polls this future must not run other code that blocks or computes for long, because
    /// this future renews the lease. Stages run on other threads.
    pub async fn run(&self, job_id: &JobId, deadline: Instant) -> Result<RunOutcome, RunError> {
        let (job, lease, takeover) = match self.stores.jobs.claim(job_id).await? {
            Claim::Acquired {
                job,
                lease,
                takeover,
            } => (job, lease, takeover),
            Claim::Held { until } => return Ok(RunOutcome::Held { until }),
            Claim::Outdated(job) => {
                let until = job.lease_expires_at;
                return Ok(RunOutcome::Held { until });
            }
            Claim::Ended => {
                // A repeated message: its run may have been interrupted while it sent.
                self.stores.redeliver(job_id, 0).await?;
                return Ok(RunOutcome::Ended);
            }
            Claim::NotFound => return Ok(RunOutcome::Unknown),
        };
        tracing::Span::current()
            .record("request_id", job.request_id.as_str())
            .record("correlation_id", job.correlation_id.as_str());
        tracing::info!(epoch = lease.epoch, takeover, "claimed");
        let mut publisher =
            Publisher::new(Arc::clone(&self.stores), &self.objects, &job, lease.clone());
        let outcome = self
            .run_claimed(&job, takeover, &lease, &mut publisher, deadline)
            .boxed_local()
            .await;
        publisher.flush().await;
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(RunInterrupt::LeaseLost) => {
                tracing::warn!(
                    %job_id,
                    epoch = lease.epoch,
                    "the lease is lost: another run has claimed the job, because this one did not \
                     renew it in time"
                );
                self.stores.jobs.record_lost_lease(&lease).await;
                Ok(RunOutcome::LeaseLost)
            }
            Err(RunInterrupt::Error(error)) => {
                let counted = job.attempts_without_progress;
                self.stores.jobs.refund_attempt(&lease, counted).await;
                Err(error)
            }
        }
    }

    async fn run_claimed(
        &self,
        job: &Job,
        takeover: bool,
        lease: &Lease,
        publisher: &mut Publisher<F>,
        deadline: Instant,
    ) -> Result<RunOutcome, RunInterrupt> {
        let mut job = job.clone();
        if takeover && job.seq > 0 {
            // It is unknown what the previous run has sent.
            let again = self.stores.redeliver(&job.job_id, 0).await;
            again.map_err(RunError::from)?;
        }
        if publisher.recover().await? {
            let Some(current) = self.stores.jobs.load(&job.job_id).await? else {
                return Ok(RunOutcome::Unknown);
            };
            job = current;
            if job.status.has_ended() {
                return Ok(RunOutcome::Ended);
            }
        }
        if job.attempts_without_progress > MAX_ATTEMPTS_WITHOUT_PROGRESS {
            let terminal_state = TerminalState::Failed(attempts_exhausted(&job));
            return end(publisher, &terminal_state, job.stage.as_deref(), None).await;
        }
        if job.cancel_requested {
            return end(
                publisher,
                &TerminalState::Cancelled,
                job.stage.as_deref(),
                None,
            )
            .await;
        }
        self.run_stages(&job, lease, publisher, deadline).await
    }

    async fn run_stages(
        &self,
        job: &Job,
        lease: &Lease,
        publisher: &mut Publisher<F>,
        deadline: Instant,
    ) -> Result<RunOutcome, RunInterrupt> {
        let finished = self
            .steps
            .iter()
            .take_while(|step| job.checkpoints.contains_key(step.name))
            .count();
        let mut last = match finished.checked_sub(1).map(|index| &self.steps[index]) {
            Some(step) => Some(self.checkpoint(job, step).await?),
            None => None,
        };
        let input = if finished < self.steps.len() {
            Some(self.input(job).await?)
        } else {
            None
        };
        let all: u32 = self.steps.iter().map(|step| step.weight).sum();
        let mut done: u32 = self.steps[..finished].iter().map(|step| step.weight).sum();
        let mut estimate = Estimate::default();
        let start = Instant::now();
        for step in &self.steps[finished..] {
            let weight = StageWeight {
                done,
                stage: step.weight,
                all,
            };
            let (progress, feed) = Progress::new();
            progress.report(0, format!("Starting {}...", step.name));
            let mut reporter = Reporter::new(step.name, weight, feed, &mut estimate, start);
            if let Some(stopped) = reporter.publish(publisher).await {
                return self.stop(&stopped, step, publisher).await;
            }
            let value = last
                .as_ref()
                .map_or_else(RawJson::null, |(results, _)| results.clone());
            let job_input = input.clone().unwrap_or_else(|| JobInput {
                job_id: job.job_id.clone(),
                bytes: Bytes::new(),
                content_type: job.content_type.clone(),
            });
            let span = stage_span(job, step.name);
            let stage = (step.run)(job_input, value, progress.clone());
            let stage = self.executor.start(step.name, span, stage);
            let stage = stage.map_err(|cause| RunError::Thread {
                stage: step.name,
                cause,
            })?;
            let executor = &self.executor;
            let supervised = supervise(executor, stage, deadline, &mut reporter, publisher).await;
            let results = match supervised {
                Supervised::Ended(outcome) => match results_of(step.name, outcome) {
                    Ok(results) => results,
                    Err(error) => {
                        let terminal_state = TerminalState::Failed(error);
                        return end(publisher, &terminal_state, Some(step.name), None).await;
                    }
                },
                Supervised::Stopped(stopped) => return self.stop(&stopped, step, publisher).await,
                Supervised::OutOfTime => return self.hand_back(lease).await,
            };
            progress.report(100, format!("Finished {}", step.name));
            if let Some(stopped) = reporter.publish(publisher).await {
                return self.stop(&stopped, step, publisher).await;
            }
            let overall = Some(weight.overall_percent(100));
            let (lease_status, packed) = publish_with_retry(async || {
                let results = results.clone();
                publisher.finish_stage(step.name, overall, results).await
            })
            .await?;
            if lease_status.status.has_ended() {
                // Another process committed the stage and ended the job.
                return Ok(RunOutcome::Ended);
            }
            done += step.weight;
            last = Some((results, packed));
            if lease_status.cancel_requested && done < all {
                return end(publisher, &TerminalState::Cancelled, None, None).await;
            }
            if Instant::now() >= deadline && done < all {
                return self.hand_back(lease).await;
            }
        }
        let results = last.map(|(_, packed)| packed);
        end(publisher, &TerminalState::Completed, None, results).await
    }

    async fn stop(
        &self,
        stopped: &Stopped,
        step: &Step,
        publisher: &mut Publisher<F>,
    ) -> Result<RunOutcome, RunInterrupt> {
        match stopped {
            Stopped::Cancelled => {
                end(publisher, &TerminalState::Cancelled, Some(step.name), None).await
            }
            Stopped::LeaseLost => Err(RunInterrupt::LeaseLost),
        }
    }

    /// The results of a finished stage, and their form in its message.
    async fn checkpoint(&self, job: &Job, step: &Step) -> Result<(RawJson, Results), RunInterrupt> {
        let unreadable = |cause: String| StoreError::Call {
            operation: "reading a checkpoint",
            cause,
        };
        let seq = job.checkpoints.get(step.name).copied().unwrap_or_default();
        let event = self.stores.events.at(&job.job_id, seq).await?;
        let event = event.ok_or_else(|| unreadable(format!("the log has no event {seq}")))?;
        let message =
            serde_json::from_str(&event.message).map_err(|error| unreadable(error.to_string()))?;
        let ServerMessage::StageComplete(complete) = message else {
            return Err(unreadable(format!("event {seq} is no stage_complete")).into());
        };
        let packed = complete.results;
        let results = self.results.unpack(&job.job_id, packed.clone()).await?;
        Ok((results, packed))
    }

    async fn input(&self, job: &Job) -> Result<JobInput, RunError> {
        let unreadable = |cause: String| RunError::Input {
            job_id: job.job_id.clone(),
            cause,
        };
        let object = self
            .objects
            .get_object::<buckets::Objects>()
            .key(input_key(&job.job_id))
            .send()
            .await
            .map_err(|error| {
                unreadable(aws_sdk_s3::error::DisplayErrorContext(error).to_string())
            })?;
        let bytes = object
            .body
            .collect()
            .await
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(JobInput {
            job_id: job.job_id.clone(),
            bytes: bytes.into_bytes(),
            content_type: job.content_type.clone(),
        })
    }

    async fn hand_back(&self, lease: &Lease) -> Result<RunOutcome, RunInterrupt> {
        // Released first, so that the run that receives the message does not find the lease held.
        if self.stores.jobs.release(lease).await?.is_none() {
            return Err(RunInterrupt::LeaseLost);
        }
        let message = JobMessage::new(lease.job_id.clone());
        self.stores
            .queues
            .send::<JobQueue>(&message, 0)
            .await
            .map_err(RunError::from)?;
        Ok(RunOutcome::HandedBack)
    }
}

/// Why a run stops before its job has ended.
enum RunInterrupt {
    LeaseLost,
    Error(RunError),
}

impl<E: Into<RunError>> From<E> for RunInterrupt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<PublishError> for RunInterrupt {
    fn from(error: PublishError) -> Self {
        match error {
            // After a conflict, another process writes under this run's lease, so it is lost as well.
            PublishError::LeaseLost | PublishError::Conflict { .. } => Self::LeaseLost,
            PublishError::Store(error) => Self::Error(error.into()),
        }
    }
}

impl<F: Runs> PublishesProgress for Publisher<F> {
    async fn report(&mut self, point: &ProgressPoint) -> Result<LeaseStatus, PublishError> {
        Self::report(self, point).await
    }

    async fn poll_cancellation(&self) -> Result<LeaseStatus, PublishError> {
        Self::poll_cancellation(self).await
    }
}

async fn end<F: Runs>(
    publisher: &mut Publisher<F>,
    terminal_state: &TerminalState,
    stage: Option<&str>,
    results: Option<Results>,
) -> Result<RunOutcome, RunInterrupt> {
    publish_with_retry(async || publisher.end(terminal_state, stage, results.clone()).await)
        .await?;
    Ok(RunOutcome::Ended)
}

/// Publishes a durable message, with retries while the tables or the bucket fail. `publish` is
/// idempotent: each attempt writes the same message at the same `seq`.
async fn publish_with_retry<T>(
    mut publish: impl AsyncFnMut() -> Result<T, PublishError>,
) -> Result<T, PublishError> {
    let mut backoff = RetryPolicy::DURABLE_MESSAGE.backoff();
    loop {
        match publish().await {
            Err(PublishError::Store(error)) => {
                let attempt = backoff.attempt();
                tracing::warn!(attempt, %error, "a durable message could not be published");
                if !backoff.wait().await {
                    return Err(error.into());
                }
            }
            result => return result,
        }
    }
}

/// The span of a stage's log records.
fn stage_span(job: &Job, stage: &str) -> Span {
    tracing::info_span!(
        "stage",
        stage,
        job_id = %job.job_id,
        request_id = job.request_id.as_str(),
        correlation_id = job.correlation_id,
    )
}
