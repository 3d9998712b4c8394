//! Stages, and the pipeline that chains them.

use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use bytes::Bytes;
use contract::{ids::JobId, json::RawJson, limits::MAX_RESULTS_DEPTH};
use serde::{Serialize, de::DeserializeOwned};

use crate::progress::{Cancelled, Progress};

/// The input of a job.
#[derive(Clone, Debug)]
pub struct JobInput {
    /// The job's id, for logs and for names of what a stage stores elsewhere.
    pub job_id: JobId,
    /// The body of the request that created the job.
    pub bytes: Bytes,
    /// The body's media type.
    pub content_type: String,
}

/// Why a stage did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The job cannot be completed. Clients receive the code and the message.
    #[error("{message} ({code})")]
    Failed {
        /// A code for programs, such as `no_walls`: letters, digits, `_` and `-`. Clients receive its
        /// first 64 characters; other characters are replaced by `_`.
        code: String,
        /// What went wrong and how to fix it, for people. Clients receive its first kilobyte.
        message: String,
    },
    /// The stage has stopped because the job was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl StageError {
    /// A failure with a code for programs and a message for people.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// A step of a job's work.
///
/// The output is the `results` of `stage_complete`, and the checkpoint from which a later run resumes. It
/// has to survive a round trip through JSON.
pub trait Stage: Send + Sync + 'static {
    /// The output of the previous stage; `()` for the first stage.
    type Input: DeserializeOwned + Send;
    /// The results of the stage.
    type Output: Serialize + DeserializeOwned + Send;

    /// The stage's name in messages: 1 to 64 letters, digits, `_` and `-`.
    const NAME: &'static str;

    /// The stage's share of the whole job, relative to the others'.
    const WEIGHT: u32 = 1;

    /// Does the work. The stage has a separate thread, so it may compute or block for any time: meanwhile,
    /// the runner publishes its reports, renews the lease and notices a cancellation. Tokio's tasks, timers
    /// and connections work as usual, on a runtime that only stages use.
    fn run(
        &self,
        job: JobInput,
        input: Self::Input,
        progress: &Progress,
    ) -> impl Future<Output = Result<Self::Output, StageError>> + Send;
}

type StageFuture = Pin<Box<dyn Future<Output = Result<RawJson, StageError>> + Send>>;
type RunStage = dyn Fn(JobInput, RawJson, Progress) -> StageFuture + Send + Sync;

/// A stage with its types erased.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) weight: u32,
    pub(super) run: Arc<RunStage>,
}

/// The output of a stage as JSON that the next stage, or a later run, can read.
fn results_of(stage: &str, output: &impl Serialize) -> Result<RawJson, StageError> {
    let unfit = |cause: String| {
        let message = format!("the results of {stage} cannot be written: {cause}");
        StageError::failed("internal", message)
    };
    let results = RawJson::of(output).map_err(|error| unfit(error.to_string()))?;
    match results.depth() {
        ..=MAX_RESULTS_DEPTH => Ok(results),
        depth => Err(unfit(format!(
            "they are nested {depth} levels deep, the most is {MAX_RESULTS_DEPTH}"
        ))),
    }
}

/// The stages of a job, in order. `Output` is the output of the last one.
pub struct Pipeline<Output = ()> {
    pub(super) steps: Vec<Step>,
    output: PhantomData<fn() -> Output>,
}

impl Pipeline {
    /// A pipeline without stages.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            steps: Vec::new(),
            output: PhantomData,
        }
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a stage's name can be part of a key in the bucket and of a query string.
const fn is_stage_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && typed_contract::names::is_alphanumeric_or(name, b"_-")
}

impl<Output: DeserializeOwned + Send> Pipeline<Output> {
    /// The same pipeline with `stage` after all others.
    #[must_use]
    pub fn then<S: Stage<Input = Output>>(mut self, stage: S) -> Pipeline<S::Output> {
        const {
            assert!(
                is_stage_name(S::NAME),
                "a stage's NAME must be 1 to 64 letters, digits, '_' and '-'"
            );
            assert!(S::WEIGHT > 0, "a stage's WEIGHT must be more than 0");
        }
        let stage = Arc::new(stage);
        let run = move |job: JobInput, input: RawJson, progress: Progress| -> StageFuture {
            let stage = Arc::clone(&stage);
            Box::pin(async move {
                let input = input.read::<S::Input>().map_err(|error| {
                    StageError::failed(
                        "internal",
                        format!("the checkpoint before {} cannot be read: {error}", S::NAME),
                    )
                })?;
                let output = stage.run(job, input, &progress).await?;
                results_of(S::NAME, &output)
            })
        };
        self.steps.push(Step {
            name: S::NAME,
            weight: S::WEIGHT,
            run: Arc::new(run),
        });
        Pipeline {
            steps: self.steps,
            output: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn results_are_read_as_they_were_written() {
        let doubles = [12.917_521_550_408_111, 6.713_745_924_566_696_5e-12, -0.0];
        let results = results_of("a", &doubles).unwrap();
        let read: [f64; 3] = results.read().unwrap();
        assert_eq!(read.map(f64::to_bits), doubles.map(f64::to_bits));
        let wide = results_of("a", &(0.1_f32, u128::MAX)).unwrap();
        assert_eq!(wide.read::<(f32, u128)>().unwrap(), (0.1, u128::MAX));
    }

    #[test]
    fn results_that_are_nested_too_deep_fail_their_stage() {
        let nested = |levels| (0..levels).fold(json!([]), |inner: Value, _| json!([inner]));
        assert!(results_of("a", &nested(MAX_RESULTS_DEPTH - 1)).is_ok());
        let error = results_of("a", &nested(MAX_RESULTS_DEPTH)).unwrap_err();
        assert!(error.to_string().contains("121 levels"), "{error}");
    }
}
