//! The pipeline function with stages that measure themselves. Everything but the stages is the
//! real function.

use std::{env, path::Path, time::Duration};

use handlers_core::{
    pipeline::{JobInput, Pipeline, Stage, StageError},
    progress::Progress,
};
use serde::{Deserialize, Serialize};

use crate::{posts::resident_bytes, wall_clock::nanoseconds};

/// The variable that names the file whose existence lets the first lap begin.
pub(crate) const GO: &str = "BENCH_GO";

/// Time of half a lap: longer than the shortest time between two updates, so that a report goes out
/// at once.
const HALF: Duration = Duration::from_millis(300);

/// What a lap's stage says of itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct LapTimes {
    /// When it began, in nanoseconds since 1970.
    pub(crate) began: u64,
    /// When it ended.
    pub(crate) ended: u64,
    /// Memory of the process at its end, in bytes.
    pub(crate) resident_bytes: u64,
}

/// Waits until everyone watches.
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

/// One of the laps.
struct Lap<const NUMBER: usize>;

/// Their names, which have to differ.
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
    pipeline::serve(|_| {
        Ok(Pipeline::new()
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
