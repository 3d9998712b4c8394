//! The pipeline: a chain of stages.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use raw_json::RawJson;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::StageFailure, input::JobInput, limits::MAX_RESULTS_DEPTH, progress::Progress,
    retry::Retry, stage::Stage,
};

type StageFuture = Pin<Box<dyn Future<Output = Result<RawJson, StageFailure>> + Send>>;
type RunStage = dyn Fn(JobInput, RawJson, Progress) -> StageFuture + Send + Sync;

/// A stage with its types erased.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) retry: Retry,
    pub(crate) run: Arc<RunStage>,
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// The longest time of one run of a pipeline, as the process that runs it sets it.
///
/// ```compile_fail,E0080
/// # use std::time::Duration;
/// # use stage_pipeline::{JobInput, Pipeline, Progress, RunLimit, Stage, StageError};
/// struct Function;
///
/// impl RunLimit for Function {
///     const LONGEST_RUN: Duration = Duration::from_mins(15);
/// }
///
/// struct Render;
///
/// impl Stage for Render {
///     type Input = ();
///     type Output = ();
///     const NAME: &'static str = "render";
///     // Compiles with `const CHECKPOINTS: bool = true`, or with 15 minutes at most.
///     const TIME_LIMIT: Option<Duration> = Some(Duration::from_hours(2));
///
///     async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<(), StageError> {
///         Ok(())
///     }
/// }
///
/// let pipeline: Pipeline<(), Function> = Pipeline::with_limit().then(Render);
/// ```
pub trait RunLimit {
    /// The longest time that a stage without checkpoints can have.
    const LONGEST_RUN: Duration;
}

/// Runs take any time: the pipeline's process has no limit.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited;

impl RunLimit for Unlimited {
    const LONGEST_RUN: Duration = Duration::MAX;
}

/// The stages of a job, in order. `Output` is the output of the last one. `Limit` is the longest time of a
/// run, for stages that declare a [`TIME_LIMIT`](Stage::TIME_LIMIT).
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
pub struct Pipeline<Output = (), Limit = Unlimited> {
    pub(crate) steps: Vec<Step>,
    types: PhantomData<fn() -> (Output, Limit)>,
}

impl Pipeline {
    /// A pipeline without stages, whose runs take any time.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit()
    }
}

impl<Limit: RunLimit> Pipeline<(), Limit> {
    /// A pipeline without stages, for runs of at most `Limit`.
    #[must_use]
    pub const fn with_limit() -> Self {
        Self {
            steps: Vec::new(),
            types: PhantomData,
        }
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl<Output, Limit> Pipeline<Output, Limit> {
    /// The same pipeline for this process, which limits no run.
    pub(crate) fn without_limit(&self) -> Pipeline<Output> {
        Pipeline {
            steps: self.steps.clone(),
            types: PhantomData,
        }
    }
}

impl<Output, Limit> Clone for Pipeline<Output, Limit> {
    /// A pipeline of the same stages: they are shared, not cloned.
    fn clone(&self) -> Self {
        Self {
            steps: self.steps.clone(),
            types: PhantomData,
        }
    }
}

impl<Output, Limit> fmt::Debug for Pipeline<Output, Limit> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.steps).finish()
    }
}

impl<Output: DeserializeOwned + Send, Limit: RunLimit> Pipeline<Output, Limit> {
    /// The same pipeline with `stage` after all others.
    #[must_use]
    pub fn then<S: Stage<Input = Output>>(mut self, stage: S) -> Pipeline<S::Output, Limit> {
        const {
            assert!(
                is_stage_name(S::NAME),
                "a stage's NAME must be 1 to 64 letters, digits, '_' and '-'"
            );
            assert!(S::WEIGHT > 0, "a stage's WEIGHT must be more than 0");
            assert!(
                S::RETRY.is_valid(),
                "a stage's RETRY must have 1 to 100 attempts, and waits of at most 15 minutes"
            );
            assert!(
                S::CHECKPOINTS || is_within(S::TIME_LIMIT, Limit::LONGEST_RUN),
                "the stage's TIME_LIMIT is longer than a run of its pipeline: store checkpoints in the \
                 stage (CHECKPOINTS, Progress::checkpoint), so that another run continues it, or run \
                 the job in an external worker"
            );
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
            time_limit: S::TIME_LIMIT,
            retry: S::RETRY,
            run: Arc::new(run),
        });
        Pipeline {
            steps: self.steps,
            types: PhantomData,
        }
    }
}

/// Whether a stage that is limited to `time` ends within a run of at most `longest`.
const fn is_within(time: Option<Duration>, longest: Duration) -> bool {
    match time {
        None => true,
        Some(time) => time.as_nanos() <= longest.as_nanos(),
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
