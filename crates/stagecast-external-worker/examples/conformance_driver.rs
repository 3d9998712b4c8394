//! The driver of the Rust SDK for the conformance suite, `tests/sdk-conformance`: does what its one argument, a JSON
//! object, asks for, and prints what happens as JSON lines. The suite's README has the contract.

#![allow(clippy::print_stdout, reason = "the suite reads standard output")]

use std::{
    cell::Cell,
    io::{self, Write as _},
    marker::PhantomData,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
use stagecast_client::{Client, Error, Job, JobId, JobKey, JobMessage, JobStatus, WorkerKey};
use stagecast_contract::messages::ServerMessage;
use stagecast_external_worker::{
    LeasedJob, Outcome, PipelineRunner, RunJobs, Shutdown, Worker, WorkerToken,
};

/// The exit code for what this SDK does not have.
const UNSUPPORTED: u8 = 64;

#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Config {
    Watch(WatchConfig),
    Worker(JobConfig),
    Queue(QueueConfig),
}

#[derive(Deserialize)]
struct WatchConfig {
    http_api: String,
    websocket_url: String,
    job_id: String,
    access_key: String,
    http_fallback: bool,
    #[serde(default)]
    after_seq: u64,
    cancel_at: Option<Value>,
    renew_after_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct JobConfig {
    http_api: String,
    job_id: JobId,
    worker_key: WorkerKey,
    worker_id: String,
    #[serde(default)]
    stages: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct QueueConfig {
    http_api: String,
    queue: String,
    worker_token: WorkerToken,
    worker_id: String,
    stages: Option<Vec<String>>,
    concurrency: usize,
    jobs: Option<usize>,
    websocket: bool,
    grace_seconds: f64,
}

fn output(event: &str, fields: Value) {
    let mut line = json!({ "event": event });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").expect("standard output is open");
    stdout.flush().expect("standard output is open");
}

fn unsupported(what: &str) -> ExitCode {
    output("unsupported", json!({ "what": what }));
    ExitCode::from(UNSUPPORTED)
}

/// The work that the input of a job asks for.
#[derive(Clone, Deserialize)]
struct Plan {
    work: Vec<Work>,
}

#[derive(Clone, Deserialize)]
struct Work {
    stage: String,
    #[serde(default)]
    steps: Vec<Value>,
    #[serde(default)]
    results: Value,
    results_bytes: Option<usize>,
}

impl Work {
    fn results(&self) -> Value {
        match self.results_bytes {
            Some(bytes) => json!({ "text": "\"".repeat(bytes / 2) }),
            None => self.results.clone(),
        }
    }

    /// The steps that are left after a checkpoint.
    fn steps_after(&self, checkpoint: Option<&Value>) -> &[Value] {
        let is_checkpoint =
            |step: &Value| checkpoint.is_some() && step.get("checkpoint") == checkpoint;
        match self.steps.iter().position(is_checkpoint) {
            Some(index) => &self.steps[index + 1..],
            None => &self.steps,
        }
    }

    async fn run(&self, progress: &Progress) -> Result<Value, StageError> {
        let checkpoint = progress.resume::<Value>()?;
        let fields = json!({ "stage": self.stage, "checkpoint": checkpoint });
        output("stage_started", fields);
        for step in self.steps_after(checkpoint.as_ref()) {
            let (name, argument) = step
                .as_object()
                .and_then(|it| it.iter().next())
                .expect("a step has a name");
            run_step(name, argument, progress).await?;
            progress.check_cancelled()?;
        }
        Ok(self.results())
    }
}

async fn run_step(name: &str, argument: &Value, progress: &Progress) -> Result<(), StageError> {
    let text = |name: &str| argument[name].as_str().unwrap_or_default().to_owned();
    match name {
        "progress" => {
            let message = text("message");
            if let Some(completed) = argument["completed"].as_u64() {
                let total = argument["total"].as_u64().unwrap_or(completed);
                progress.report_count(completed, total, text("unit"), message);
            } else {
                let percent = argument["progress"].as_u64().unwrap_or_default();
                progress.report(u8::try_from(percent).unwrap_or(100), message);
            }
        }
        "sleep" | "until_cancelled" => {
            let until = Instant::now() + seconds(argument.as_f64().unwrap_or_default());
            while Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
                progress.check_cancelled()?;
            }
        }
        "block" => std::thread::sleep(seconds(argument.as_f64().unwrap_or_default())),
        "checkpoint" => progress.checkpoint(argument).await?,
        "attach" => {
            let (name, size) = (text("name"), argument["size"].as_u64().unwrap_or_default());
            let size = usize::try_from(size).expect("it fits into memory");
            let content: Vec<u8> = name.bytes().cycle().take(size).collect();
            progress
                .attach(name, &text("content_type"), content)
                .await?;
        }
        "fail" => return Err(StageError::failed(text("code"), text("message"))),
        "crash" => std::process::exit(137),
        _ => panic!("there is no step {name}"),
    }
    Ok(())
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The stages of plans: `decode`, and `transcribe`, which may be the first one.
struct Decode(Arc<Plan>);
struct Transcribe<Input>(Arc<Plan>, PhantomData<fn() -> Input>);

impl Plan {
    fn of_stage(&self, stage: &str) -> &Work {
        let mut work = self.work.iter();
        work.find(|it| it.stage == stage)
            .expect("the pipeline has the stages of the plan")
    }
}

impl Stage for Decode {
    type Input = ();
    type Output = Value;
    const NAME: &'static str = "decode";
    const CHECKPOINTS: bool = true;

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<Value, StageError> {
        self.0.of_stage(Self::NAME).run(progress).await
    }
}

impl<Input: DeserializeOwned + Send + 'static> Stage for Transcribe<Input> {
    type Input = Input;
    type Output = Value;
    const NAME: &'static str = "transcribe";
    const CHECKPOINTS: bool = true;

    async fn run(&self, _: JobInput, _: Input, progress: &Progress) -> Result<Value, StageError> {
        if self.0.work.len() > 1 {
            // It starts after the results of the stage before it were accepted.
            output("stage_finished", json!({ "stage": "decode" }));
        }
        self.0.of_stage(Self::NAME).run(progress).await
    }
}

/// Runs the plan of each job.
struct PlanRunner {
    stages: Vec<String>,
}

impl RunJobs for PlanRunner {
    fn stages(&self) -> Vec<String> {
        self.stages.clone()
    }

    async fn run(&self, job: LeasedJob, shutdown: Shutdown) -> Outcome {
        let claimed = &job.claimed;
        let (job_id, attempt) = (claimed.job_id.clone(), claimed.attempt);
        output("claimed", json!({ "job_id": job_id, "attempt": attempt }));
        let input = match job.input().bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return Outcome::Abandoned(error.to_string()),
        };
        let sha256 = format!("{:x}", Sha256::digest(&input));
        output("input", json!({ "sha256": sha256 }));
        let plan: Arc<Plan> = Arc::new(serde_json::from_slice(&input).expect("a plan"));
        for work in &plan.work {
            match job.finished_results(&work.stage).await {
                Ok(None) => {}
                Ok(Some(results)) => {
                    let results: Value = results.read().expect("JSON");
                    output(
                        "stage_skipped",
                        json!({ "stage": work.stage, "results": results }),
                    );
                }
                Err(error) => return Outcome::Abandoned(error.to_string()),
            }
        }
        let names: Vec<_> = plan.work.iter().map(|work| work.stage.as_str()).collect();
        let decode = || Decode(Arc::clone(&plan));
        let runner = match names[..] {
            ["decode"] => {
                PipelineRunner::new(|| Ok::<_, io::Error>(Pipeline::new().then(decode())))
            }
            ["transcribe"] => {
                let stage = Transcribe::<()>(Arc::clone(&plan), PhantomData);
                PipelineRunner::new(|| Ok(Pipeline::new().then(stage)))
            }
            ["decode", "transcribe"] => {
                let stage = Transcribe::<Value>(Arc::clone(&plan), PhantomData);
                PipelineRunner::new(|| Ok(Pipeline::new().then(decode()).then(stage)))
            }
            _ => {
                unsupported(&format!("a pipeline of {names:?}"));
                std::process::exit(UNSUPPORTED.into());
            }
        };
        let last = names.last().map(|name| (*name).to_owned());
        let outcome = runner.expect("threads").run(job, shutdown).await;
        report(&job_id, last.as_deref(), &outcome);
        outcome
    }
}

/// Prints how a job has ended.
fn report(job_id: &JobId, last: Option<&str>, outcome: &Outcome) {
    let ended = |status: &str| output("job_ended", json!({ "job_id": job_id, "status": status }));
    match outcome {
        Outcome::Completed => {
            output("stage_finished", json!({ "stage": last }));
            ended("completed");
        }
        Outcome::Failed(_) => ended("failed"),
        Outcome::Cancelled => {
            output("cancelled", json!({ "job_id": job_id }));
            ended("cancelled");
        }
        Outcome::Lost(error) => output("lost", json!({ "job_id": job_id, "code": error.code() })),
        Outcome::Ended => {
            output(
                "lost",
                json!({ "job_id": job_id, "code": "job_already_finished" }),
            );
        }
        Outcome::Released => output("released", json!({ "job_id": job_id })),
        other => output(
            "abandoned",
            json!({ "job_id": job_id, "why": format!("{other:?}") }),
        ),
    }
}

async fn run_job(config: JobConfig) -> Result<ExitCode, Error> {
    let shutdown = Shutdown::with_grace(seconds(1.0));
    tokio::spawn(shutdown.clone().on_signals());
    let worker = Worker::new(&config.http_api)?
        .worker_id(config.worker_id)
        .shutdown(shutdown);
    let stages = config.stages.unwrap_or_default();
    let runner = PlanRunner { stages };
    Ok(
        match worker
            .run_job(&config.job_id, &config.worker_key, runner)
            .await
        {
            Ok(Outcome::Lost(_) | Outcome::Abandoned(_)) => ExitCode::FAILURE,
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                output("lost", json!({ "code": error.code() }));
                ExitCode::FAILURE
            }
        },
    )
}

async fn run_queue(config: QueueConfig) -> Result<ExitCode, Error> {
    let shutdown = Shutdown::with_grace(seconds(config.grace_seconds));
    tokio::spawn(shutdown.clone().on_signals());
    let worker = Worker::new(&config.http_api)?
        .worker_id(config.worker_id)
        .concurrency(config.concurrency)
        .listens(config.websocket)
        .shutdown(shutdown.clone());
    let stages = config.stages.unwrap_or_default();
    let left = Cell::new(config.jobs);
    let ended = |_: &JobId, _: &Outcome| {
        left.set(left.get().map(|left| left.saturating_sub(1)));
        if left.get() == Some(0) && !shutdown.is_requested() {
            shutdown.request();
        }
    };
    let token = config.worker_token;
    match worker
        .run(&config.queue, &token, PlanRunner { stages }, ended)
        .await
    {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            output("error", json!({ "code": error.code() }));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn watch(config: WatchConfig) -> Result<ExitCode, Error> {
    if !config.http_fallback {
        return Ok(unsupported("the fallback to HTTP cannot be switched off"));
    }
    if config.renew_after_seconds.is_some() {
        return Ok(unsupported(
            "there is no option for the age of a connection",
        ));
    }
    let key: JobKey = serde_json::from_value(json!({
        "job_id": config.job_id, "access_key": config.access_key, "websocket_url": config.websocket_url,
    }))
    .expect("a key");
    let job = Client::new(&config.http_api)?.job(key);
    let mut watch = job.watch_after(config.after_seq);
    let mut cancelling = None;
    let (mut status, mut failure) = (None, None);
    while let Some(message) = watch.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        status = status_after(&message).or(status);
        let message = as_json(message);
        output("message", json!({ "message": message }));
        if let Some(pattern) = &config.cancel_at
            && cancelling.is_none()
            && includes(&message, pattern)
        {
            cancelling = Some(tokio::spawn(cancel(job.clone())));
        }
    }
    if let Some(cancelling) = cancelling {
        // An end of the job settles it.
        let _ = tokio::time::timeout(seconds(5.0), cancelling).await;
    }
    let status = status.or_else(|| watch.snapshot().map(|snapshot| snapshot.status));
    let error = failure.as_ref().map(|error| {
        json!({ "code": error.code(), "status": error.status(), "message": error.to_string() })
    });
    output("end", json!({ "status": status, "error": error }));
    Ok(if failure.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn cancel(job: Job) {
    match job.cancel().await {
        Ok(()) => output("cancel_accepted", json!({})),
        Err(error) => output("cancel_rejected", json!({ "code": error.code() })),
    }
}

fn status_after(message: &JobMessage) -> Option<JobStatus> {
    match message {
        JobMessage::JobComplete(_) => Some(JobStatus::Completed),
        JobMessage::JobFailed(_) => Some(JobStatus::Failed),
        JobMessage::JobCancelled(_) => Some(JobStatus::Cancelled),
        _ => None,
    }
}

fn as_json(message: JobMessage) -> Value {
    let message: ServerMessage = match message {
        JobMessage::Progress(message) => message.into(),
        JobMessage::StageComplete(message) => message.into(),
        JobMessage::JobComplete(message) => message.into(),
        JobMessage::JobFailed(message) => message.into(),
        JobMessage::JobCancelled(message) => message.into(),
    };
    serde_json::from_str(&message.to_json()).expect("JSON")
}

/// Whether `value` has what `pattern` has.
fn includes(value: &Value, pattern: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields
            .iter()
            .all(|(name, field)| includes(&value[name], field)),
        pattern => value == pattern,
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let argument = std::env::args()
        .nth(1)
        .expect("a JSON object as the argument");
    let config: Config = serde_json::from_str(&argument).expect("a configuration");
    let is_watch = matches!(config, Config::Watch(_));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let code = runtime.block_on(async {
        match config {
            Config::Watch(config) => watch(config).await,
            Config::Worker(config) => run_job(config).await,
            Config::Queue(config) => run_queue(config).await,
        }
    });
    runtime.shutdown_background();
    if !is_watch {
        output("stopped", json!({}));
    }
    code.unwrap_or_else(|error| panic!("{error}"))
}
