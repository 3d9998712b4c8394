//! Runs the stages of the floor plans in a separate process: `rust-worker --queue plans --concurrency 2`.

use std::{process::ExitCode, time::Duration};

fn main() -> ExitCode {
    // Slows a demonstration down, as in the pipeline function.
    let pace = std::env::var("STAGE_PACE_MS").ok();
    let pace = pace.and_then(|pace| pace.parse().ok()).unwrap_or_default();
    stagecast_external_worker::main(|| handlers::pipeline(Duration::from_millis(pace)))
}
