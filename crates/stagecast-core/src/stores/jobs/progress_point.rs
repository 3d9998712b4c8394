//! The progress of a stage.

use stagecast_contract::messages::WorkAmount;

/// The progress of a running stage, as it is written to the job's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressPoint {
    /// The stage.
    pub stage: String,
    /// Percent of the stage.
    pub progress: u8,
    /// Percent of all stages.
    pub overall_progress: u8,
    /// What the stage is doing, in the words of its author.
    pub message: String,
    /// Seconds until the job ends, while known.
    pub estimated_seconds_remaining: Option<u64>,
    /// How much of the stage's work is done, in its own unit.
    pub work: WorkAmount,
}
