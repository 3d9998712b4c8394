//! The pipeline function with stages that measure themselves. Only the stages differ from the real
//! function.

use std::{env, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};

use crate::{posts::resident_bytes, wall_clock::nanoseconds};

/// The environment variable with the path of a file. The first lap starts when the file exists.
pub(crate) const GO: &str = "BENCH_GO";

/// Half the duration of a lap. Longer than the minimum interval of updates, so that a report is sent at
/// once.
const HALF: Duration = Duration::from_millis(300);

/// The measurements of a stage.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct LapTimes {
    /// Start time, in nanoseconds since 1970.
    pub(crate) began: u64,
    /// End time, in nanoseconds since 1970.
    pub(crate) ended: u64,
    /// Resident memory of the process at the end, in bytes.
    pub(crate) resident_bytes: u64,
}

/// The first stage, which waits until all clients are subscribed.
struct Gathering;

impl Stage for Gathering {
    type Input = ();
    type Output = LapTimes;
    const NAME: &'static str = "gathering";

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<LapTimes, StageError> {
        let go = env::var(GO).unwrap_or_default();
        let began = nanoseconds();
        while !Path::new(&go).exists() {
            progress.check_cancelled()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(times(began))
    }
}

/// A stage with one report in the middle.
struct Lap<const NUMBER: usize>;

/// The names of the laps' stages.
const NAMES: [&str; 10] = [
    "lap_0", "lap_1", "lap_2", "lap_3", "lap_4", "lap_5", "lap_6", "lap_7", "lap_8", "lap_9",
];

impl<const NUMBER: usize> Stage for Lap<NUMBER> {
    type Input = LapTimes;
    type Output = LapTimes;
    const NAME: &'static str = NAMES[NUMBER];

    async fn run(
        &self,
        _: JobInput,
        _: LapTimes,
        progress: &Progress,
    ) -> Result<LapTimes, StageError> {
        let began = nanoseconds();
        tokio::time::sleep(HALF).await;
        progress.report(50, nanoseconds().to_string());
        tokio::time::sleep(HALF).await;
        Ok(times(began))
    }
}

fn times(began: u64) -> LapTimes {
    LapTimes {
        began,
        ended: nanoseconds(),
        resident_bytes: resident_bytes().unwrap_or_default(),
    }
}

/// Runs the function.
pub(crate) fn run() -> anyhow::Result<()> {
    stagecast_pipeline::serve::<contract::PipelineFunction, _>(|_| {
        Ok(Pipeline::with_limit()
            .then(Gathering)
            .then(Lap::<0>)
            .then(Lap::<1>)
            .then(Lap::<2>)
            .then(Lap::<3>)
            .then(Lap::<4>)
            .then(Lap::<5>)
            .then(Lap::<6>)
            .then(Lap::<7>)
            .then(Lap::<8>)
            .then(Lap::<9>))
    })
    .map_err(anyhow::Error::from_boxed)
}
