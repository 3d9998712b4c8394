//! The pipeline function with stages that follow the script in the job's input. Only the stages are
//! fakes.

use std::time::Duration;

use end_to_end::script::{
    ARTIFACT, ARTIFACT_TYPE, Script, StageResult, StageScript, Wait, artifact_content, hex,
};
use lambda_runtime::Error;
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};
use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
use stagecast_contract::limits::MAX_INPUT_BYTES;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

struct First;
struct Second;

impl Stage for First {
    type Input = ();
    type Output = Value;
    const NAME: &'static str = "stage_1";
    const CHECKPOINTS: bool = true;

    async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<Value, StageError> {
        let script = script(&job).await?;
        act(&script.stage_1, &job, Value::Null, progress).await
    }
}

impl Stage for Second {
    type Input = Value;
    type Output = Value;
    const NAME: &'static str = "stage_2";
    const CHECKPOINTS: bool = true;

    async fn run(
        &self,
        job: JobInput,
        first: Value,
        progress: &Progress,
    ) -> Result<Value, StageError> {
        let script = script(&job).await?;
        act(&script.stage_2, &job, first["process"].clone(), progress).await
    }
}

async fn script(job: &JobInput) -> Result<Script, StageError> {
    let beginning = job.size().await?.min(MAX_INPUT_BYTES as u64);
    Script::read(&job.range(0..beginning).await?)
        .ok_or_else(|| StageError::failed("no_script", "the input is not a script"))
}

async fn act(
    act: &StageScript,
    job: &JobInput,
    first_process: Value,
    progress: &Progress,
) -> Result<Value, StageError> {
    if act.blocking {
        block(act, progress);
        return end(act, &first_process, &Value::Null);
    }
    match &act.wait {
        Wait::Nothing => {}
        Wait::File(file) => {
            while file.exists() {
                progress.check_cancelled()?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Wait::Seconds(seconds) => tokio::time::sleep(Duration::from_secs(*seconds)).await,
    }
    let done: u32 = progress.resume()?.unwrap_or(0);
    for step in done + 1..=act.steps {
        progress.check_cancelled()?;
        tokio::time::sleep(Duration::from_millis(act.step_millis)).await;
        let percent = u8::try_from(100 * step / act.steps).unwrap_or(100);
        progress.report(percent, format!("Step {step} of {}", act.steps));
        if act.checkpoints {
            progress.checkpoint(&step).await?;
        }
    }
    let input = if act.hash_input {
        hash(job, progress).await?
    } else {
        Value::Null
    };
    if act.artifact_bytes > 0 {
        attach(act.artifact_bytes, progress).await?;
    }
    end(act, &first_process, &input)
}

/// Attaches an artifact of so many bytes, from a file that is deleted before.
async fn attach(bytes: usize, progress: &Progress) -> Result<(), StageError> {
    let mut file = tokio::fs::File::from_std(tempfile::tempfile()?);
    file.write_all(&artifact_content(bytes)).await?;
    file.flush().await?;
    progress.attach(ARTIFACT, ARTIFACT_TYPE, file).await?;
    Ok(())
}

/// Reads the whole input as a stream.
async fn hash(job: &JobInput, progress: &Progress) -> Result<Value, StageError> {
    let size = job.size().await?;
    let mut reader = job.reader();
    let mut hash = Context::new(&SHA256);
    loop {
        progress.check_cancelled()?;
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            break;
        }
        hash.update(bytes);
        let length = bytes.len();
        reader.consume(length);
        let percent = u8::try_from(100 * reader.position() / size).unwrap_or(100);
        progress.report(percent, "Hashing the input...");
    }
    let digits = hex(hash.finish().as_ref());
    Ok(json!({ "sha256": digits, "bytes": reader.position(), "peak_kib": peak_kib() }))
}

/// The most resident memory that this process has had, in KiB, as Linux counts it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

/// Runs a stage that blocks its thread and never checks for cancellation.
fn block(act: &StageScript, progress: &Progress) {
    progress.report(50, "Blocking...");
    match &act.wait {
        Wait::Nothing => {}
        Wait::File(file) => {
            while file.exists() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Wait::Seconds(seconds) => std::thread::sleep(Duration::from_secs(*seconds)),
    }
    for step in 1..=act.steps {
        std::thread::sleep(Duration::from_millis(act.step_millis));
        progress.report(50, format!("Step {step} of {}", act.steps));
    }
}

fn end(act: &StageScript, first_process: &Value, input: &Value) -> Result<Value, StageError> {
    match &act.then {
        StageResult::Finish => Ok(json!({
            "process": std::process::id(),
            "first_process": first_process,
            "input": input,
            "filling": "x".repeat(act.results_bytes),
        })),
        StageResult::Fail(code) => Err(StageError::failed(code.clone(), "The script says so.")),
        StageResult::Panic => panic!("the script says so"),
    }
}

fn main() -> Result<(), Error> {
    stagecast_pipeline::serve::<contract::PipelineFunction, _>(|_environment| {
        Ok(Pipeline::with_limit().then(First).then(Second))
    })
}
