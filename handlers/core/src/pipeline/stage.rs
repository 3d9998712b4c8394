//! Stages and how they are chained.

use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use bytes::Bytes;
use contract::{ids::JobId, json::RawJson, limits::MAX_RESULTS_DEPTH};
use serde::{Serialize, de::DeserializeOwned};

use crate::progress::{Cancelled, Progress};

/// What the job was made with.
#[derive(Clone, Debug)]
pub struct JobInput {
    /// The job, for logs and for what a stage keeps elsewhere under a name of the job.
    pub job_id: JobId,
    /// The body of the request that made the job.
    pub bytes: Bytes,
    /// The body's media type.
    pub content_type: String,
}

/// Why a stage did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The job cannot be done. Clients get both words.
    #[error("{message} ({code})")]
    Failed {
        /// A word that programs can look at, `no_walls`: letters, digits, `_` and `-`. Clients get its
        /// first 64 characters, with `_` for others.
        code: String,
        /// What went wrong and the way out, for a person. Clients get its first kilobyte.
        message: String,
    },
    /// The stage has stopped because it was told to.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl StageError {
    /// A failure with a code for programs and a message for a person.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// A step of a job's work.
///
/// The output is what `stage_complete` carries as `results`, and the checkpoint from which a later
/// run goes on: it has to survive a round trip through JSON.
pub trait Stage: Send + Sync + 'static {
    /// What the stage starts from: the output of the one before it, `()` for the first.
    type Input: DeserializeOwned + Send;
    /// What the stage finds.
    type Output: Serialize + DeserializeOwned + Send;

    /// The stage's name in messages: 1 to 64 letters, digits, `_` and `-`.
    const NAME: &'static str;

    /// The stage's share of the whole job, relative to the others'.
    const WEIGHT: u32 = 1;

    /// Does the work. The stage has a thread to itself, so it may compute or block for as long as it
    /// takes: its reports are published, the lease is renewed and a cancellation is noticed
    /// meanwhile. Tasks, timers and connections of tokio work as anywhere else; they are on a
    /// runtime that only stages use.
    fn run(
        &self,
        job: JobInput,
        input: Self::Input,
        progress: &Progress,
    ) -> impl Future<Output = Result<Self::Output, StageError>> + Send;
}

type StageFuture = Pin<Box<dyn Future<Output = Result<RawJson, StageError>> + Send>>;
type RunStage = dyn Fn(JobInput, RawJson, Progress) -> StageFuture + Send + Sync;

/// A stage whose types have been checked and forgotten.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) weight: u32,
    pub(super) run: Arc<RunStage>,
}

/// The output of a stage as JSON that the next one, or a later run, can read.
fn results_of(stage: &str, output: &impl Serialize) -> Result<RawJson, StageError> {
    let unfit = |problem: String| {
        let message = format!("the results of {stage} cannot be written: {problem}");
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

/// The stages of a job, in order. `Output` is the last one's.
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
    !name.is_empty() && name.len() <= 64 && contract::names::is_alphanumeric_or(name, b"_-")
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
    fn results_that_a_later_run_could_not_read_fail_their_own_stage() {
        let nested = |levels| (0..levels).fold(json!([]), |inner: Value, _| json!([inner]));
        assert!(results_of("a", &nested(MAX_RESULTS_DEPTH - 1)).is_ok());
        let error = results_of("a", &nested(MAX_RESULTS_DEPTH)).unwrap_err();
        assert!(error.to_string().contains("121 levels"), "{error}");
    }
}
