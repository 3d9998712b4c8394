//! The function that runs jobs.

use std::time::Duration;

use contract::{PipelineFunction, StagePace};

fn main() -> Result<(), stagecast::Error> {
    stagecast::pipeline::serve::<PipelineFunction, _>(|environment| {
        let pace = environment.get::<StagePace>();
        let pace = pace.parse().map_err(|_| {
            format!("STAGE_PACE_MS is '{pace}'; it must be a whole number of milliseconds")
        })?;
        Ok(handlers::pipeline(Duration::from_millis(pace)))
    })
}
