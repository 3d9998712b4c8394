//! The time that a stage has in a function.

use std::{marker::PhantomData, time::Duration};

use stage_pipeline::RunLimit;
use typed_contract::functions::Function;

/// Time reserved at the end of an invocation for releasing a job and for sending its last messages; half of
/// the invocation, if it is shorter than twice this time.
pub(crate) const RESERVED: Duration = Duration::from_secs(20);

/// Runs in the function `F`, which end shortly before its timeout.
#[derive(Debug)]
pub struct InFunction<F>(PhantomData<F>);

impl<F: Function> RunLimit for InFunction<F> {
    const LONGEST_RUN: Duration = longest_run(F::SPEC.timeout_seconds);
}

/// The time of a run in a function with this timeout.
const fn longest_run(timeout_seconds: u32) -> Duration {
    let (timeout, reserved) = (timeout_seconds as u64, RESERVED.as_secs());
    if timeout < 2 * reserved {
        return Duration::from_millis(timeout * 1000 / 2);
    }
    Duration::from_secs(timeout - reserved)
}

/// The stages of a job that runs in the function `F`. A stage whose
/// [`TIME_LIMIT`](stage_pipeline::Stage::TIME_LIMIT) is longer than a run in the function, which is the
/// function's timeout less 20 seconds, does not compile unless it stores checkpoints. `cargo build` reports
/// it; `cargo check` does not, because the types of a chain are not known before code is generated.
///
/// ```compile_fail,E0080
/// use std::time::Duration;
///
/// use stage_pipeline::{JobInput, Progress, Stage, StageError};
/// use stagecast_pipeline::Pipeline;
///
/// stagecast_contract::pipeline_function! {
///     /// Renders films.
///     PipelineFunction {
///         memory_mib: 1024,
///         timeout_seconds: 900,
///         grants: {},
///         settings: [],
///     }
/// }
///
/// struct Render;
///
/// impl Stage for Render {
///     type Input = ();
///     type Output = ();
///     const NAME: &'static str = "render";
///     // Compiles with 880 seconds at most, or with `const CHECKPOINTS: bool = true`.
///     const TIME_LIMIT: Option<Duration> = Some(Duration::from_secs(881));
///
///     async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<(), StageError> {
///         Ok(())
///     }
/// }
///
/// let pipeline: Pipeline<(), PipelineFunction> = Pipeline::with_limit().then(Render);
/// ```
pub type Pipeline<Output, F> = stage_pipeline::Pipeline<Output, InFunction<F>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_leaves_time_for_the_last_messages() {
        assert_eq!(longest_run(900), Duration::from_secs(880));
        assert_eq!(longest_run(40), Duration::from_secs(20));
        assert_eq!(longest_run(5), Duration::from_millis(2500));
    }
}
