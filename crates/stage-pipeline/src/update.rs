//! What a run reports about its progress.

use std::borrow::Cow;

use crate::progress::WorkCount;

/// The progress of a run at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressUpdate {
    /// The name of the running stage.
    pub stage: &'static str,
    /// Percent of the stage, 0 to 100.
    pub percent: u8,
    /// Percent of all stages, 0 to 100, by their weights.
    pub overall_percent: u8,
    /// What the stage is doing, for people.
    pub message: Cow<'static, str>,
    /// Estimated seconds until the end of the last stage, rounded up. None while there is too little
    /// progress for an estimate, and no history.
    pub remaining_seconds: Option<u64>,
    /// How much of the stage's work is done, in its unit; none if the stage reports a percentage.
    pub count: Option<WorkCount>,
    /// Whether the stage does not know how much work there is. `percent` does not grow meanwhile.
    pub indeterminate: bool,
}
