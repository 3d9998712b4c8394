//! Runs a claimed job to its end.

use std::{io, sync::Arc, time::Duration};

use raw_json::RawJson;
use stage_pipeline::{
    JobInput, Pipeline, StageCheckpoint, StageFailure,
    host::{Checkpoint, Engine, Unfinished},
};
use stagecast_client::{
    Error, JobError, JobId, WorkerKey,
    http::{HttpClient, Request},
};
use stagecast_contract::{
    messages::FailureCode,
    worker::{WorkerCancellation, WorkerEvent, WorkerFailure, WorkerJobComplete},
};

use crate::{
    artifacts::ArtifactUploads,
    claim::Claimed,
    host::{Stop, StoredCheckpoint, WorkerHost},
    input::HttpInput,
    lease::{Interruption, Lease},
    shutdown::Shutdown,
};

/// How a claimed job has ended for this worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// All stages have finished.
    Completed,
    /// A stage has failed.
    Failed(JobError),
    /// A client has cancelled it.
    Cancelled,
    /// It has ended otherwise: by a cancellation or a time limit.
    Ended,
    /// Another worker has claimed it.
    Lost(Error),
    /// It was handed back, because this worker stops.
    Released,
    /// This worker cannot continue it: its lease ends, and the attempt counts.
    Abandoned(String),
}

/// A job that is claimed, and its lease.
#[derive(Debug)]
pub struct LeasedJob {
    /// The answer to the claim.
    pub claimed: Claimed,
    /// Renews the lease and posts events.
    pub lease: Lease,
    key: WorkerKey,
    http: HttpClient,
}

impl LeasedJob {
    /// Starts to renew the lease. `key` is that of the job.
    pub(crate) fn new(http: HttpClient, key: WorkerKey, claimed: Claimed) -> Self {
        let lease = Lease::new(http.clone(), key.clone(), &claimed);
        Self {
            claimed,
            lease,
            key,
            http,
        }
    }

    /// The input of the job. Nothing is read yet. Its connections belong to the runtime that reads it first.
    pub fn input(&self) -> JobInput {
        let Claimed {
            job_id,
            content_type,
            parameters,
            ..
        } = &self.claimed;
        let http = self.http.with_separate_connections();
        let source = HttpInput::new(http, job_id.clone(), self.key.clone());
        let input = JobInput::from_source(job_id.as_str(), source, content_type);
        match parameters {
            Some(parameters) => input.with_parameters(parameters.clone()),
            None => input,
        }
    }

    /// The results of a stage that an earlier claim has finished.
    ///
    /// # Errors
    ///
    /// Large results cannot be read from the service.
    pub async fn finished_results(&self, stage: &str) -> Result<Option<RawJson>, Error> {
        let mut finished = self.claimed.finished.iter();
        let Some(finished) = finished.find(|it| it.stage == stage) else {
            return Ok(None);
        };
        let Some(url) = &finished.results_url else {
            return Ok(Some(finished.results.clone()));
        };
        let request = Request::get(url).bearer(self.key.reveal());
        let bytes = self.http.download(request).await?.bytes().await?;
        let results = String::from_utf8(bytes.into()).map_err(|error| error.to_string());
        let results =
            results.and_then(|text| RawJson::from_text(text).map_err(|it| it.to_string()));
        results
            .map(Some)
            .map_err(|cause| Error::UnreadableResults { cause })
    }

    /// The id of the job.
    pub fn id(&self) -> &JobId {
        &self.claimed.job_id
    }
}

/// What a worker does with the jobs that it claims. [`PipelineRunner`] runs the stages of a pipeline.
pub trait RunJobs: 'static {
    /// The names of the stages, in order, that claims declare. None if they depend on the job.
    fn stages(&self) -> Vec<String>;

    /// Runs a job to its end, or hands it back when the grace period of `shutdown` is over.
    fn run(&self, job: LeasedJob, shutdown: Shutdown) -> impl Future<Output = Outcome>;
}

/// Runs the stages of a pipeline, as the pipeline function does.
#[derive(Debug)]
pub struct PipelineRunner {
    engine: Engine,
}

impl PipelineRunner {
    /// A runner of the pipeline that `build` returns. `build` is called on the stages' runtime, so that clients and
    /// tasks that stages share are created there.
    ///
    /// # Errors
    ///
    /// Those of `build`, and of the start of that runtime.
    pub fn new<Output, Limit, E: From<io::Error>>(
        build: impl FnOnce() -> Result<Pipeline<Output, Limit>, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            engine: Engine::new(build)?,
        })
    }

    async fn run_stages(&self, job: &LeasedJob, shutdown: &Shutdown) -> End {
        let claimed = &job.claimed;
        let is_finished = |stage: &&str| claimed.finished.iter().any(|it| it.stage == *stage);
        let finished = self.engine.stages().take_while(is_finished).count();
        let mut from = Checkpoint {
            finished,
            ..Checkpoint::start()
        };
        if let Some(last) = finished
            .checked_sub(1)
            .and_then(|last| self.engine.stages().nth(last))
        {
            match job.finished_results(last).await {
                Ok(results) => from.results = results.unwrap_or_else(RawJson::null),
                Err(error) => {
                    let cause = format!("the results of {last} cannot be read: {error}");
                    return End::Abandoned(cause);
                }
            }
        }
        let Some(next) = self.engine.stages().nth(finished) else {
            return End::Post(
                WorkerEvent::JobComplete(WorkerJobComplete::default()),
                Outcome::Completed,
            );
        };
        let checkpoint = claimed.checkpoint.as_ref().filter(|it| it.stage == next);
        let checkpoint = checkpoint.map(|it| stored_checkpoint(next, &it.state));
        let http = job.http.with_separate_connections();
        let (id, key) = (claimed.job_id.clone(), job.key.clone());
        let uploads = ArtifactUploads::new(http, id, key, claimed.epoch);
        let artifacts = checkpoint
            .as_ref()
            .map(|it| it.artifacts.clone())
            .unwrap_or_default();
        let names = artifacts
            .iter()
            .chain(&claimed.artifacts)
            .map(|it| it.name.clone());
        let mut host = WorkerHost {
            job_id: &claimed.job_id,
            lease: &job.lease,
            shutdown,
            store: Arc::new(uploads),
            has_equal_weights: self.engine.has_equal_weights(),
            names: names.collect(),
            artifacts,
        };
        from.stage = checkpoint.map(|it| it.checkpoint);
        let run = Box::pin(self.engine.run(job.input(), from, &mut host)).await;
        end_of(run)
    }
}

impl RunJobs for PipelineRunner {
    fn stages(&self) -> Vec<String> {
        self.engine.stages().map(str::to_owned).collect()
    }

    async fn run(&self, job: LeasedJob, shutdown: Shutdown) -> Outcome {
        let end = if job.claimed.cancel_requested {
            End::cancelled(None)
        } else {
            self.run_stages(&job, &shutdown).await
        };
        match end {
            End::Done(outcome) => outcome,
            End::Abandoned(cause) => Outcome::Abandoned(cause),
            End::Release => release(job).await,
            End::Post(event, outcome) => {
                let events = [event];
                let posted = tokio::select! {
                    posted = job.lease.post(&events) => Some(posted),
                    () = shutdown.grace_over() => None,
                };
                match (posted, job.lease.interruption()) {
                    (Some(Ok(())), _) => outcome,
                    (_, Some(Interruption::Lost(error))) => Outcome::Lost(error),
                    (_, Some(Interruption::Ended)) => Outcome::Ended,
                    (Some(Err(error)), _) => {
                        Outcome::Abandoned(format!("the end of the job was not accepted: {error}"))
                    }
                    (None, _) => release(job).await,
                }
            }
        }
    }
}

/// What is left to do after the stages.
enum End {
    Done(Outcome),
    Post(WorkerEvent, Outcome),
    Release,
    Abandoned(String),
}

impl End {
    fn cancelled(stage: Option<&str>) -> Self {
        let cancellation = WorkerCancellation {
            stage: stage.map(str::to_owned),
        };
        Self::Post(WorkerEvent::JobCancelled(cancellation), Outcome::Cancelled)
    }

    fn failed(stage: &str, error: JobError) -> Self {
        let failure = WorkerFailure {
            error: error.clone(),
            stage: Some(stage.to_owned()),
        };
        Self::Post(WorkerEvent::JobFailed(failure), Outcome::Failed(error))
    }
}

fn end_of(run: Result<RawJson, Unfinished<Stop>>) -> End {
    match run {
        // Posted with the results of the last stage.
        Ok(_) => End::Done(Outcome::Completed),
        Err(Unfinished::Failed {
            failure: StageFailure::Input(error),
            ..
        }) if error.is_retryable() => End::Abandoned(format!("the input cannot be read: {error}")),
        Err(Unfinished::Failed { stage, failure }) => End::failed(stage, of_stage(stage, failure)),
        Err(error @ Unfinished::Thread { .. }) => End::Abandoned(error.to_string()),
        Err(Unfinished::Stopped { stage, stop }) => match stop {
            Stop::Cancelled { is_running } => End::cancelled(is_running.then_some(stage)),
            Stop::Lost(error) => End::Done(Outcome::Lost(error)),
            Stop::Ended => End::Done(Outcome::Ended),
            Stop::Rejected(error) => {
                let message =
                    format!("the service does not accept the results of {stage}: {error}");
                let code = error.code().unwrap_or("results_rejected");
                End::failed(stage, JobError::of_stage(code, message))
            }
            Stop::Shutdown => End::Release,
        },
    }
}

async fn release(job: LeasedJob) -> Outcome {
    match job.lease.release(Duration::ZERO).await {
        Ok(()) => Outcome::Released,
        Err(error) => Outcome::Abandoned(format!(
            "the job could not be handed back, its lease ends in 30 s: {error}"
        )),
    }
}

/// A checkpoint of this crate, or the state that another worker has stored.
fn stored_checkpoint(name: &str, state: &RawJson) -> StoredCheckpoint {
    state.read().unwrap_or_else(|_| StoredCheckpoint {
        checkpoint: StageCheckpoint {
            stage: name.to_owned(),
            state: state.clone(),
            percent: 0,
            message: format!("Continuing {name}..."),
            stage_elapsed: Duration::ZERO,
            job_elapsed: Duration::ZERO,
            estimate: stage_pipeline::Estimate::default(),
        },
        artifacts: Vec::new(),
    })
}

/// The error of a job whose stage has failed, with the codes of the pipeline function.
fn of_stage(stage: &str, failure: StageFailure) -> JobError {
    match failure {
        StageFailure::Failed { code, message } | StageFailure::Temporary { code, message } => {
            JobError::of_stage(&code, message)
        }
        StageFailure::Panicked { message } => {
            tracing::error!(stage, panic = message, "a stage has panicked");
            JobError::of(
                FailureCode::StagePanicked,
                format!(
                    "{stage} has crashed because of a bug in the pipeline; see the worker's log"
                ),
            )
        }
        StageFailure::TimedOut { limit } => JobError::of(
            FailureCode::StageTimedOut,
            format!(
                "{stage} took longer than its time limit of {} s; give it a longer TIME_LIMIT, or less work",
                limit.as_secs_f64()
            ),
        ),
        StageFailure::Input(error) => JobError::of_stage(error.code(), error.to_string()),
        failure => JobError::of_stage(
            FailureCode::Internal.name(),
            format!("{stage} failed: {failure}"),
        ),
    }
}
