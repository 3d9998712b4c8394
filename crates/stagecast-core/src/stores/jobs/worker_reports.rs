//! Reports of external workers.

use stage_pipeline::Estimate;
use stagecast_contract::timestamp::Timestamp;

use super::ProgressPoint;

/// The progress of an external worker's stage, as it is written to the job's item.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerReport {
    /// The progress.
    pub point: ProgressPoint,
    /// The estimate of the remaining time.
    pub estimate: Estimate,
    /// The number of the attempt at the stage, from 1.
    pub attempt: u32,
    /// The number of attempts that the stage has, if the worker has reported it.
    pub max_attempts: Option<u32>,
    /// When the attempt starts, while the worker waits for it.
    pub retry_at: Option<Timestamp>,
    /// Whether a checkpoint of the stage was stored before.
    pub is_checkpoint: bool,
}
