//! The command line of a worker.

use std::{env, io, process::ExitCode, time::Duration};

use clap::{Args, Parser, builder::FalseyValueParser};
use stage_pipeline::Pipeline;
use stagecast_client::{Error, JobId, WorkerKey};
use stagecast_contract::ids::WorkerToken;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    runner::{Outcome, PipelineRunner},
    shutdown::Shutdown,
    worker::Worker,
};

/// The options of a worker: flatten them into the `clap` parser of a program with further options.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "the documentation of a field is the help on the terminal"
)]
pub struct Options {
    /// Address of the HTTP API, such as `https://api.example.com` or `http://127.0.0.1:4800`
    #[arg(long, env = "STAGECAST_URL", value_name = "URL")]
    pub url: String,
    /// Queue from which jobs are claimed. Needs the environment variable STAGECAST_WORKER_TOKEN
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "job",
        conflicts_with = "job"
    )]
    pub queue: Option<String>,
    /// Run this job, which was created with worker=external, and exit. Needs the environment variable
    /// STAGECAST_WORKER_KEY
    #[arg(long, value_name = "ID")]
    pub job: Option<JobId>,
    /// Number of jobs that run at the same time
    #[arg(
        long,
        env = "STAGECAST_CONCURRENCY",
        default_value_t = 1,
        value_name = "N"
    )]
    pub concurrency: usize,
    /// Address of the WebSocket API, over which the worker is woken. Without it, the service names it
    #[arg(long, env = "STAGECAST_WEBSOCKET_URL", value_name = "URL")]
    pub websocket_url: Option<String>,
    /// Poll for jobs instead of listening over the WebSocket API
    #[arg(long, env = "STAGECAST_NO_WEBSOCKET", value_parser = FalseyValueParser::new())]
    pub no_websocket: bool,
    /// Name of this worker, unique among all. Random if absent
    #[arg(long, env = "STAGECAST_WORKER_ID", value_name = "NAME")]
    pub worker_id: Option<String>,
    /// Seconds that running jobs have after SIGTERM, before they are handed back
    #[arg(
        long,
        env = "STAGECAST_GRACE_SECONDS",
        default_value_t = 20,
        value_name = "SECONDS"
    )]
    pub grace_seconds: u64,
}

/// Why a worker program ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// An environment variable is missing.
    #[error("{name} is not set; set it to {meaning}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it contains.
        meaning: &'static str,
    },
    /// The service rejects the worker.
    #[error(transparent)]
    Service(#[from] Error),
    /// The operating system could not start threads.
    #[error("no runtime could be started: {0}")]
    Runtime(#[from] io::Error),
    /// The job was not completed, failed or cancelled by this worker.
    #[error("the job is not finished: {0}")]
    Unfinished(String),
}

impl Options {
    /// Runs the worker until SIGTERM, or until its job has ended, with the token or the key in the environment.
    ///
    /// # Errors
    ///
    /// [`WorkerError`].
    pub async fn run(self, runner: PipelineRunner) -> Result<(), WorkerError> {
        let shutdown = Shutdown::with_grace(Duration::from_secs(self.grace_seconds));
        let signals = tokio::spawn(shutdown.clone().on_signals());
        let mut worker = Worker::new(&self.url)?
            .concurrency(self.concurrency)
            .websocket_url(self.websocket_url)
            .listens(!self.no_websocket)
            .shutdown(shutdown);
        if let Some(id) = self.worker_id {
            worker = worker.worker_id(id);
        }
        let result = match (self.job, self.queue) {
            (Some(job_id), _) => {
                let key = secret(
                    "STAGECAST_WORKER_KEY",
                    "the worker_key of the job's creation",
                )?;
                let key = WorkerKey::from_client(key);
                match Box::pin(worker.run_job(&job_id, &key, runner)).await? {
                    Outcome::Lost(error) => Err(error.into()),
                    Outcome::Abandoned(cause) => Err(WorkerError::Unfinished(cause)),
                    _ => Ok(()),
                }
            }
            (None, queue) => {
                let token = secret(
                    "STAGECAST_WORKER_TOKEN",
                    "a token of `infra-gen worker-tokens create`",
                )?;
                let token = WorkerToken::from_client(token);
                // clap requires one of the two.
                let queue = queue.unwrap_or_default();
                tracing::info!(queue, concurrency = self.concurrency, "waiting for jobs");
                Ok(Box::pin(worker.run(&queue, &token, runner, |_, _| {})).await?)
            }
        };
        signals.abort();
        result
    }
}

/// Reads a secret from the environment. Arguments are visible to other users of the machine.
fn secret(name: &'static str, meaning: &'static str) -> Result<String, WorkerError> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or(WorkerError::Missing { name, meaning })
}

/// The `main` of a worker: reads the command line and the environment, and runs the stages of the pipeline that
/// `build` returns until SIGTERM. Logs are written to standard error; `RUST_LOG` filters them.
///
/// ```no_run
/// # use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
/// # struct CountWords;
/// # impl Stage for CountWords {
/// #     type Input = ();
/// #     type Output = usize;
/// #     const NAME: &'static str = "count_words";
/// #     async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<usize, StageError> {
/// #         Ok(job.bytes().await?.split(|byte| *byte == b' ').count())
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     stagecast_external_worker::main(|| Pipeline::new().then(CountWords))
/// }
/// ```
pub fn main<Output, Limit>(build: impl FnOnce() -> Pipeline<Output, Limit>) -> ExitCode {
    /// Runs jobs of a Stagecast stack
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    let Command { options } = Command::parse();
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    match run(options, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run<Output, Limit>(
    options: Options,
    build: impl FnOnce() -> Pipeline<Output, Limit>,
) -> Result<(), WorkerError> {
    let runner = PipelineRunner::new(|| Ok::<_, io::Error>(build()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(options.run(runner));
    // A stage that blocks its thread would keep the process alive.
    runtime.shutdown_background();
    result
}
