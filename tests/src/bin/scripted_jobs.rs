//! The jobs function with the input rules of the scripted pipeline.

fn main() -> Result<(), lambda_runtime::Error> {
    stagecast_jobs::serve(&end_to_end::script::INPUT)
}
