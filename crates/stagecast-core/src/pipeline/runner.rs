//! Runs one job: claims it, resumes it, runs its stages and ends it.

use std::{io, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use granted_aws::{Objects, SendError};
use raw_json::RawJson;
use stage_pipeline::{
    JobInput, Pipeline,
    host::{Checkpoint, Engine, Unfinished},
};
use stagecast_contract::{
    buckets::{self, input_key},
    ids::JobId,
    limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
    messages::{Results, ServerMessage},
    queues::{JobMessage, JobQueue},
};
use tokio::time::Instant;
use typed_contract::grants::{GetObject, Granted, SendMessage};

use super::{
    failures::{attempts_exhausted, of_stage},
    lease_host::{LeaseHost, Stop, publish_with_retry},
};
use crate::{
    delivery::{PublishError, Publisher, Publishes, Stores},
    models::{Job, TerminalState},
    stores::{Claim, Lease, ResultStore, StoreError},
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
    engine: Engine,
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
        let engine = Engine::new(build)?;
        Ok(Self {
            stores,
            results: ResultStore::new(objects.clone()),
            objects,
            engine,
        })
    }

    /// Waits up to `limit` for the threads of stages that did not stop when they were asked to, in runs that
    /// have ended. Returns the names of the stages whose threads still run. Their results and reports are
    /// discarded, but they use processor time and memory until the process ends.
    pub async fn stuck_stages(&self, limit: Duration) -> Vec<&'static str> {
        self.engine.stuck_stages(limit).await
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
        let mut stages = self.engine.stages();
        let is_finished = |stage: &&str| job.checkpoints.contains_key(*stage);
        let finished = self.engine.stages().take_while(is_finished).count();
        let (from, results) = match finished.checked_sub(1).and_then(|last| stages.nth(last)) {
            Some(stage) => {
                let (results, packed) = self.checkpoint(job, stage).await?;
                (Checkpoint { finished, results }, Some(packed))
            }
            None => (Checkpoint::start(), None),
        };
        if finished == self.engine.stages().len() {
            return end(publisher, &TerminalState::Completed, None, results).await;
        }
        let input = self.input(job).await?;
        let mut host = LeaseHost::new(job, publisher, deadline);
        let run = self.engine.run(input, from, &mut host).await;
        let results = host.into_results();
        match run {
            Ok(_) => end(publisher, &TerminalState::Completed, None, results).await,
            Err(Unfinished::Failed { stage, failure }) => {
                let terminal_state = TerminalState::Failed(of_stage(stage, failure));
                end(publisher, &terminal_state, Some(stage), None).await
            }
            Err(Unfinished::Thread { stage, cause }) => {
                Err(RunError::Thread { stage, cause }.into())
            }
            Err(Unfinished::Stopped { stage, stop }) => match stop {
                Stop::Cancelled => {
                    end(publisher, &TerminalState::Cancelled, Some(stage), None).await
                }
                Stop::CancelledAfterStage => {
                    end(publisher, &TerminalState::Cancelled, None, None).await
                }
                Stop::OutOfTime => self.hand_back(lease).await,
                Stop::EndedElsewhere => Ok(RunOutcome::Ended),
                Stop::Publish(error) => Err(error.into()),
            },
        }
    }

    /// The results of a finished stage, and their form in its message.
    async fn checkpoint(&self, job: &Job, stage: &str) -> Result<(RawJson, Results), RunInterrupt> {
        let unreadable = |cause: String| StoreError::Call {
            operation: "reading a checkpoint",
            cause,
        };
        let seq = job.checkpoints.get(stage).copied().unwrap_or_default();
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
        let content_type = job.content_type.clone();
        Ok(JobInput::new(&job.job_id, bytes.into_bytes(), content_type))
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
