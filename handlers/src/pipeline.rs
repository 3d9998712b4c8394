//! The reference pipeline as stages of a job.

use std::time::{Duration, Instant};

use contract::PipelineFunction;
use serde::{Deserialize, Serialize};
use stagecast::{JobInput, Pipeline, Progress, Stage, StageError};

use crate::stages::{
    plan::{FloorPlan, PlanError},
    report::Interrupted,
    rooms::{self, Room, RoomsError},
    walls::{self, Walls},
    walls_error::WallsError,
};

/// Finds the rooms in the image of a floor plan. Each stage takes at least `pace`, so that a
/// demonstration shows progress; zero adds no delay.
pub fn pipeline(pace: Duration) -> Pipeline<Rooms, PipelineFunction> {
    Pipeline::with_limit()
        .then(FindWalls { pace })
        .then(FindRooms { pace })
}

/// `stage_1`: finds the walls.
#[derive(Debug)]
pub struct FindWalls {
    pace: Duration,
}

/// `stage_2`: finds the rooms between the walls.
#[derive(Debug)]
pub struct FindRooms {
    pace: Duration,
}

/// The output of `stage_2`, and the results of the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// The rooms, from top to bottom, then from left to right.
    pub rooms: Vec<Room>,
}

impl Stage for FindWalls {
    type Input = ();
    type Output = Walls;

    const NAME: &'static str = "stage_1";

    async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<Walls, StageError> {
        progress.report(1, "Decoding the image...");
        let reporter = PacedReporter::new(progress, self.pace);
        let plan = FloorPlan::decode(&job.bytes().await?)?;
        let mut report = |percent: u8, message: &str| reporter.report(percent, message);
        Ok(walls::find(&plan, &mut report)?)
    }
}

impl Stage for FindRooms {
    type Input = Walls;
    type Output = Rooms;

    const NAME: &'static str = "stage_2";

    async fn run(
        &self,
        job: JobInput,
        walls: Walls,
        progress: &Progress,
    ) -> Result<Rooms, StageError> {
        progress.report(1, "Decoding the image...");
        let reporter = PacedReporter::new(progress, self.pace);
        let plan = FloorPlan::decode(&job.bytes().await?)?;
        let mut report = |percent: u8, message: &str| reporter.report(percent, message);
        let rooms = rooms::find(&plan, &walls, &mut report)?;
        Ok(Rooms { rooms })
    }
}

/// Reports the progress of a stage, and delays the stage to its pace.
struct PacedReporter {
    progress: Progress,
    pace: Duration,
    start: Instant,
}

impl PacedReporter {
    /// Interval between checks for a cancellation during a delay.
    const CHECK_INTERVAL: Duration = Duration::from_millis(50);

    fn new(progress: &Progress, pace: Duration) -> Self {
        Self {
            progress: progress.clone(),
            pace,
            start: Instant::now(),
        }
    }

    fn report(&self, percent: u8, message: &str) -> Result<(), Interrupted> {
        self.progress.report(percent, message.to_owned());
        let due = self.pace * u32::from(percent) / 100;
        loop {
            self.progress.check_cancelled().map_err(|_| Interrupted)?;
            let early = due.saturating_sub(self.start.elapsed());
            if early.is_zero() {
                return Ok(());
            }
            std::thread::sleep(early.min(Self::CHECK_INTERVAL));
        }
    }
}

impl From<PlanError> for StageError {
    fn from(error: PlanError) -> Self {
        Self::failed(error.code(), error.to_string())
    }
}

impl From<WallsError> for StageError {
    fn from(error: WallsError) -> Self {
        match error {
            WallsError::Interrupted(_) => Self::Cancelled(stagecast::Cancelled),
            error => Self::failed(error.code(), error.to_string()),
        }
    }
}

impl From<RoomsError> for StageError {
    fn from(error: RoomsError) -> Self {
        match error {
            RoomsError::Interrupted(_) => Self::Cancelled(stagecast::Cancelled),
            error @ (RoomsError::NothingEnclosed { .. } | RoomsError::Implausible(_)) => {
                Self::failed(error.code(), error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_the_sample_plan_are_found_without_aws() {
        let plan = include_bytes!("../../client/floor-plan/sample-plan.png");
        let job = JobInput::new("job-1", &plan[..], "image/png");
        let rooms = pipeline(Duration::ZERO).run(job).wait();
        assert_eq!(rooms.expect("a plan with rooms").rooms.len(), 8);
    }
}
