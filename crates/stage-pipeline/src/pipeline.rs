//! The pipeline: a chain of stages.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use raw_json::RawJson;
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::StageFailure, job_input::JobInput, progress::Progress, stage::Stage};

/// Deepest nesting of arrays and objects in the results of a stage. Most JSON parsers accept 127 or 128
/// levels; a message or record around the results needs some of them.
pub const MAX_RESULTS_DEPTH: usize = 120;

type StageFuture = Pin<Box<dyn Future<Output = Result<RawJson, StageFailure>> + Send>>;
type RunStage = dyn Fn(JobInput, RawJson, Progress) -> StageFuture + Send + Sync;

/// A stage with its types erased.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    pub(crate) run: Arc<RunStage>,
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// The stages of a job, in order. `Output` is the output of the last one.
///
/// A chain whose types do not match does not compile:
///
/// ```compile_fail,E0271
/// # use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
/// # struct CountLines;
/// # impl Stage for CountLines {
/// #     type Input = ();
/// #     type Output = usize;
/// #     const NAME: &'static str = "count_lines";
/// #     async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<usize, StageError> { Ok(1) }
/// # }
/// # struct Sort;
/// # impl Stage for Sort {
/// #     type Input = Vec<String>;
/// #     type Output = Vec<String>;
/// #     const NAME: &'static str = "sort";
/// #     async fn run(&self, _: JobInput, it: Vec<String>, _: &Progress) -> Result<Vec<String>, StageError> { Ok(it) }
/// # }
/// // The output of `CountLines` is a number, the input of `Sort` a list of texts.
/// Pipeline::new().then(CountLines).then(Sort);
/// ```
pub struct Pipeline<Output = ()> {
    pub(crate) steps: Vec<Step>,
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

impl<Output> Clone for Pipeline<Output> {
    /// A pipeline of the same stages: they are shared, not cloned.
    fn clone(&self) -> Self {
        Self {
            steps: self.steps.clone(),
            output: PhantomData,
        }
    }
}

impl<Output> fmt::Debug for Pipeline<Output> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.steps).finish()
    }
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
                    let cause = error.to_string();
                    StageFailure::UnreadableInput { cause }
                })?;
                let output = stage.run(job, input, &progress).await?;
                results_of(&output)
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

/// Whether a stage's name can be part of a file name, of a key in an object store and of a URL.
const fn is_stage_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !(bytes[index].is_ascii_alphanumeric() || matches!(bytes[index], b'_' | b'-')) {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty() && bytes.len() <= 64
}

/// The output of a stage as JSON that the next stage, or a later run, can read.
fn results_of(output: &impl Serialize) -> Result<RawJson, StageFailure> {
    let unwritable = |cause: String| StageFailure::UnwritableResults { cause };
    let results = RawJson::of(output).map_err(|error| unwritable(error.to_string()))?;
    match results.depth() {
        ..=MAX_RESULTS_DEPTH => Ok(results),
        depth => Err(unwritable(format!(
            "they are nested {depth} levels deep, the most is {MAX_RESULTS_DEPTH}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn results_are_read_as_they_were_written() {
        let doubles = [12.917_521_550_408_111, 6.713_745_924_566_696_5e-12, -0.0];
        let results = results_of(&doubles).unwrap();
        let read: [f64; 3] = results.read().unwrap();
        assert_eq!(read.map(f64::to_bits), doubles.map(f64::to_bits));
        let wide = results_of(&(0.1_f32, u128::MAX)).unwrap();
        assert_eq!(wide.read::<(f32, u128)>().unwrap(), (0.1, u128::MAX));
    }

    #[test]
    fn results_that_are_nested_too_deep_fail_their_stage() {
        let nested = |levels| (0..levels).fold(json!([]), |inner: Value, _| json!([inner]));
        assert!(results_of(&nested(MAX_RESULTS_DEPTH - 1)).is_ok());
        let error = results_of(&nested(MAX_RESULTS_DEPTH)).unwrap_err();
        assert!(error.to_string().contains("121 levels"), "{error}");
    }

    #[test]
    fn stage_names_are_safe_in_keys_and_urls() {
        assert!(is_stage_name("split_lines-2") && is_stage_name(&"a".repeat(64)));
        for name in ["", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(!is_stage_name(name), "{name}");
        }
    }
}
