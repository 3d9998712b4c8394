//! The reference pipeline as stages of a job.

use handlers_core::{
    pipeline::{JobInput, Pipeline, Stage, StageError},
    progress::Progress,
};
use serde::{Deserialize, Serialize};

use crate::stages::{
    plan::{FloorPlan, PlanError},
    report::Interrupted,
    rooms::{self, Room, RoomsError},
    walls::{self, Walls, WallsError},
};

/// The picture of a floor plan in, its rooms out.
pub fn reference_pipeline() -> Pipeline<Rooms> {
    Pipeline::new().then(FindWalls).then(FindRooms)
}

/// `stage_1`: finds the walls.
#[derive(Debug)]
pub struct FindWalls;

/// `stage_2`: finds the rooms between the walls.
#[derive(Debug)]
pub struct FindRooms;

/// What `stage_2`, and with it the job, finds.
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
        work(progress, move |progress| {
            let plan = FloorPlan::decode(&job.bytes)?;
            Ok(walls::find(&plan, &mut |percent, message| {
                tell(progress, percent, message)
            })?)
        })
        .await
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
        work(progress, move |progress| {
            let plan = FloorPlan::decode(&job.bytes)?;
            let mut report = |percent: u8, message: &str| tell(progress, percent, message);
            Ok(Rooms {
                rooms: rooms::find(&plan, &walls, &mut report)?,
            })
        })
        .await
    }
}

/// Runs CPU work where it does not hold up the reporting of its own progress.
async fn work<T: Send + 'static>(
    progress: &Progress,
    work: impl FnOnce(&Progress) -> Result<T, StageError> + Send + 'static,
) -> Result<T, StageError> {
    let progress = progress.clone();
    match tokio::task::spawn_blocking(move || work(&progress)).await {
        Ok(outcome) => outcome,
        // The runner turns a stage's panic into a failed job; this is still the stage's.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(StageError::failed("internal", error.to_string())),
        },
    }
}

fn tell(progress: &Progress, percent: u8, message: &str) -> Result<(), Interrupted> {
    progress.report(percent, message.to_owned());
    progress.check_cancelled().map_err(|_| Interrupted)
}

impl From<PlanError> for StageError {
    fn from(error: PlanError) -> Self {
        Self::failed(error.code(), error.to_string())
    }
}

impl From<WallsError> for StageError {
    fn from(error: WallsError) -> Self {
        match error {
            WallsError::Interrupted(_) => Self::Cancelled(handlers_core::progress::Cancelled),
            error => Self::failed(error.code(), error.to_string()),
        }
    }
}

impl From<RoomsError> for StageError {
    fn from(error: RoomsError) -> Self {
        match error {
            RoomsError::Interrupted(_) => Self::Cancelled(handlers_core::progress::Cancelled),
            error @ RoomsError::NothingEnclosed { .. } => {
                Self::failed(error.code(), error.to_string())
            }
        }
    }
}
