//! Runs one job: claims it, resumes it, runs its stages and ends it.

use std::{io, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use granted_aws::{Objects, SendError};
use raw_json::RawJson;
use stage_pipeline::{
    Pipeline, StageCheckpoint, StageFailure,
    host::{Checkpoint, Engine, Unfinished},
};
use stagecast_contract::{
    buckets,
    ids::JobId,
    limits::MAX_ATTEMPTS_WITHOUT_PROGRESS,
    messages::{Results, ServerMessage},
    queues::{JobMessage, JobQueue},
};
use tokio::time::Instant;
use typed_contract::grants::{GetObject, Granted, SendMessage};

use super::{
    artifacts::ArtifactUploads,
    failures::{attempts_exhausted, of_stage},
    input::Inputs,
    lease_host::{LeaseHost, Stop, publish_with_retry},
};
use crate::{
    delivery::{PublishError, Publisher, Publishes, Stores},
    models::{Job, TerminalState},
    stores::{CheckpointStore, Claim, Lease, ResultStore, StoreError},
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
    /// The job's input is not in the bucket, or could not be read, also after retries.
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
    inputs: Inputs<F>,
    results: ResultStore<F>,
    checkpoints: CheckpointStore<F>,
    engine: Engine,
}

impl<F: Runs> Runner<F> {
    /// A runner of the pipeline that `build` returns. `build` is called on the stages' runtime, so that
    /// clients and tasks that stages share are created there. Errors are those of `build` and of the start
    /// of that runtime.
    ///
    /// Stages read their inputs and store their artifacts with `input_objects`, on their own runtime. It must not share connections
    /// with `objects`: a stage that blocks its runtime would stop the requests of the runner as well.
    pub fn new<Output, Limit, E: From<io::Error>>(
        stores: Arc<Stores<F>>,
        objects: Objects<F>,
        input_objects: Objects<F>,
        build: impl FnOnce() -> Result<Pipeline<Output, Limit>, E>,
    ) -> Result<Self, E> {
        let engine = Engine::new(build)?;
        Ok(Self {
            results: ResultStore::new(objects.clone()),
            checkpoints: CheckpointStore::new(stores.events.clone(), objects.clone()),
            stores,
            objects,
            inputs: Inputs::new(input_objects),
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
        if let Some(error) = job.exceeded_limit(self.stores.clock.now()) {
            let terminal_state = TerminalState::Failed(error);
            return end(publisher, &terminal_state, job.stage.as_deref(), None).await;
        }
        Box::pin(self.run_stages(&job, lease, publisher, deadline)).await
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
        let (mut from, results) = match finished.checked_sub(1).and_then(|last| stages.nth(last)) {
            Some(stage) => {
                let (results, packed) = self.stage_results(job, stage).await?;
                let from = Checkpoint {
                    finished,
                    results,
                    ..Checkpoint::start()
                };
                (from, Some(packed))
            }
            None => (Checkpoint::start(), None),
        };
        if finished == self.engine.stages().len() {
            return end(publisher, &TerminalState::Completed, None, results).await;
        }
        if let Some(next) = self.engine.stages().nth(finished) {
            from.attempt = job.attempt_at(next, lease.epoch);
        }
        from.stage = self.stage_checkpoint(job).await?;
        let mut input = self.inputs.of(job);
        if let Some(parameters) = self.stores.parameters.load(job).await? {
            input = input.with_parameters(parameters);
        }
        let earlier = self.stores.jobs.stage_durations(self.engine.stages()).await;
        let uploads = ArtifactUploads::new(self.inputs.objects(), job.job_id.clone());
        let clock = &self.stores.clock;
        let mut host = LeaseHost::new(job, publisher, clock, &earlier, Arc::new(uploads), deadline);
        let run = self.engine.run(input, from, &mut host).await;
        let (results, durations) = host.into_results();
        let outcome = self.end_run(run, results, lease, publisher).await;
        // After the job's last message, which does not wait for it.
        let jobs = &self.stores.jobs;
        jobs.record_stage_durations(earlier, &durations).await;
        outcome
    }

    /// Ends the job, or hands it back, as its run has ended.
    async fn end_run(
        &self,
        run: Result<RawJson, Unfinished<Stop>>,
        results: Option<Results>,
        lease: &Lease,
        publisher: &mut Publisher<F>,
    ) -> Result<RunOutcome, RunInterrupt> {
        match run {
            Ok(_) => end(publisher, &TerminalState::Completed, None, results).await,
            Err(Unfinished::Failed {
                failure: StageFailure::Input(error),
                ..
            }) if error.is_retryable() => Err(RunError::Input {
                job_id: lease.job_id.clone(),
                cause: error.to_string(),
            }
            .into()),
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
                Stop::OverLimit { error, is_running } => {
                    let stage = is_running.then_some(stage);
                    end(publisher, &TerminalState::Failed(error), stage, None).await
                }
                Stop::OutOfTime => self.hand_back(lease, Duration::ZERO).await,
                Stop::RetryLater(delay) => self.hand_back(lease, delay).await,
                Stop::EndedElsewhere => Ok(RunOutcome::Ended),
                Stop::Publish(error) => Err(error.into()),
            },
        }
    }

    /// The results of a finished stage, and their form in its message.
    async fn stage_results(
        &self,
        job: &Job,
        stage: &str,
    ) -> Result<(RawJson, Results), RunInterrupt> {
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

    /// The last checkpoint of the stage that was running, with the progress that was published since. None
    /// if the stage starts from the beginning.
    async fn stage_checkpoint(&self, job: &Job) -> Result<Option<StageCheckpoint>, RunInterrupt> {
        if job.checkpoint_attempt.is_none() {
            return Ok(None);
        }
        let stored = self.checkpoints.load(&job.job_id).await?;
        let is_of_the_stage = |it: &StageCheckpoint| job.stage.as_deref() == Some(&it.stage);
        Ok(stored.filter(is_of_the_stage).map(|mut checkpoint| {
            if job.checkpoint_attempt != Some(job.attempt) {
                return checkpoint.for_next_attempt();
            }
            // Later progress than the checkpoint's was shown, and must not go back.
            checkpoint.percent = checkpoint.percent.max(job.progress);
            checkpoint
        }))
    }

    /// Puts the job back on its queue, for a run after `delay`.
    async fn hand_back(&self, lease: &Lease, delay: Duration) -> Result<RunOutcome, RunInterrupt> {
        // Released first, so that the run that receives the message does not find the lease held.
        if self.stores.jobs.release(lease).await?.is_none() {
            return Err(RunInterrupt::LeaseLost);
        }
        let message = JobMessage::new(lease.job_id.clone());
        let whole = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let seconds = i32::try_from(whole).unwrap_or(i32::MAX);
        self.stores
            .queues
            .send::<JobQueue>(&message, seconds)
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
