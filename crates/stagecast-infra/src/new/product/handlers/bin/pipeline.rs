//! The function `pipeline`, which runs the stages.

use contract::PipelineFunction;

fn main() -> Result<(), stagecast::Error> {
    stagecast::pipeline::serve::<PipelineFunction, _>(|_environment| Ok(handlers::pipeline()))
}
