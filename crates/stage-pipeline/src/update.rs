//! What a run reports about its progress.

use std::borrow::Cow;

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
    /// progress for an estimate.
    pub remaining_seconds: Option<u64>,
}
