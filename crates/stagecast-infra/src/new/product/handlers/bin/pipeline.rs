//! The function `pipeline`, which runs the stages.

fn main() -> Result<(), stagecast::Error> {
    stagecast::pipeline::serve::<contract::PipelineFunction, _>(|_| Ok(handlers::pipeline()))
}
