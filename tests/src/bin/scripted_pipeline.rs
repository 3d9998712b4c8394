//! The pipeline function with stages that follow the script in the job's input. Only the stages are
//! fakes.

use std::time::Duration;

use end_to_end::script::{Script, StageResult, StageScript, Wait};
use lambda_runtime::Error;
use serde_json::{Value, json};
use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};

struct First;
struct Second;

impl Stage for First {
    type Input = ();
    type Output = Value;
    const NAME: &'static str = "stage_1";

    async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<Value, StageError> {
        let script = script(&job)?;
        act(&script.stage_1, Value::Null, progress).await
    }
}

impl Stage for Second {
    type Input = Value;
    type Output = Value;
    const NAME: &'static str = "stage_2";

    async fn run(
        &self,
        job: JobInput,
        first: Value,
        progress: &Progress,
    ) -> Result<Value, StageError> {
        let script = script(&job)?;
        act(&script.stage_2, first["process"].clone(), progress).await
    }
}

fn script(job: &JobInput) -> Result<Script, StageError> {
    Script::read(&job.bytes)
        .ok_or_else(|| StageError::failed("no_script", "the input is not a script"))
}

async fn act(
    act: &StageScript,
    first_process: Value,
    progress: &Progress,
) -> Result<Value, StageError> {
    if act.blocking {
        block(act, progress);
        return end(act, &first_process);
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
    for step in 1..=act.steps {
        progress.check_cancelled()?;
        tokio::time::sleep(Duration::from_millis(act.step_millis)).await;
        let percent = u8::try_from(100 * step / act.steps).unwrap_or(100);
        progress.report(percent, format!("Step {step} of {}", act.steps));
    }
    end(act, &first_process)
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

fn end(act: &StageScript, first_process: &Value) -> Result<Value, StageError> {
    match &act.then {
        StageResult::Finish => Ok(json!({
            "process": std::process::id(),
            "first_process": first_process,
            "filling": "x".repeat(act.results_bytes),
        })),
        StageResult::Fail(code) => Err(StageError::failed(code.clone(), "The script says so.")),
        StageResult::Panic => panic!("the script says so"),
    }
}

fn main() -> Result<(), Error> {
    stagecast_pipeline::serve::<contract::PipelineFunction, _>(|_environment| {
        Ok(Pipeline::new().then(First).then(Second))
    })
}
