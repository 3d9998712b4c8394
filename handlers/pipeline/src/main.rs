//! The function that runs jobs.

use std::time::Duration;

use contract::environment::StagePace;
use lambda_runtime::Error;
use pipeline::reference_pipeline;

fn main() -> Result<(), Error> {
    pipeline::serve(|environment| {
        let pace = environment.get::<StagePace>();
        let pace = pace.parse().map_err(|_| {
            format!("STAGE_PACE_MS is '{pace}'; it must be a whole number of milliseconds")
        })?;
        Ok(reference_pipeline(Duration::from_millis(pace)))
    })
}
