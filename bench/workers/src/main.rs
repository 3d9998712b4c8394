//! The worker in Rust of `drain.py`, `dispatch.py`, `idle.py` and `stop.py`. It does the work of `jobs.py` for one queue:
//! `bench-worker --queue plans --concurrency 2`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use stage_pipeline::{Cancelled, JobInput, Pipeline, Progress, Stage, StageError};
use tokio::time::Instant;

#[derive(Deserialize)]
struct Parameters {
    number: u64,
}

#[derive(Serialize, Deserialize)]
struct Results {
    job_id: String,
    /// The process that has written the results.
    process: u32,
    number: u64,
}

#[expect(
    clippy::disallowed_methods,
    reason = "dispatch.py compares it with the clock of another process"
)]
fn epoch_nanoseconds() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_nanos()
}

async fn compute(progress: &Progress, duration: Duration) -> Result<(), Cancelled> {
    progress.report(50, "Halfway...");
    let ends_at = Instant::now() + duration;
    while Instant::now() < ends_at {
        let step = (Instant::now() + Duration::from_millis(100)).min(ends_at);
        tokio::time::sleep_until(step).await;
        progress.check_cancelled()?;
    }
    Ok(())
}

struct First {
    duration: Duration,
}

impl Stage for First {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "first";

    async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
        let line = json!({"what": "started", "job_id": &*job.job_id, "at": epoch_nanoseconds()});
        writeln!(io::stdout(), "{line}")?;
        compute(progress, self.duration).await?;
        Ok(())
    }
}

struct Second {
    duration: Duration,
}

impl Stage for Second {
    type Input = ();
    type Output = Results;
    const NAME: &'static str = "second";

    async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<Results, StageError> {
        let Parameters { number } = job.parameters()?;
        compute(progress, self.duration).await?;
        Ok(Results {
            job_id: job.job_id.to_string(),
            process: std::process::id(),
            number,
        })
    }
}

fn main() -> ExitCode {
    let seconds = std::env::var("STEP_SECONDS").ok();
    let seconds: f64 = seconds
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let duration = Duration::from_secs_f64(seconds);
    stagecast_external_worker::main(|| {
        Pipeline::new()
            .then(First { duration })
            .then(Second { duration })
    })
}
