//! The share of a stage in its job.

/// The position of a stage within all stages of a job, for the progress of the whole job.
///
/// ```
/// # use stage_pipeline::StageWeight;
/// // The second of three stages, which takes as long as the two others together.
/// let second = StageWeight { done: 1, stage: 2, all: 4 };
/// assert_eq!(second.overall_percent(0), 25);
/// assert_eq!(second.overall_percent(50), 50);
/// assert_eq!(second.overall_percent(100), 75);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageWeight {
    /// Weight of the stages that have finished.
    pub done: u32,
    /// Weight of this stage.
    pub stage: u32,
    /// Weight of all stages; more than 0.
    pub all: u32,
}

impl StageWeight {
    /// The fraction of the whole job, from 0 to 1, that is done when this stage is at `percent`.
    pub fn overall(self, percent: u8) -> f64 {
        self.overall_fraction(f64::from(percent) / 100.0)
    }

    /// The fraction of the whole job, from 0 to 1, that is done when `fraction` of this stage is.
    pub fn overall_fraction(self, fraction: f64) -> f64 {
        (f64::from(self.done) + f64::from(self.stage) * fraction) / f64::from(self.all)
    }

    /// [`Self::overall`] in whole percent, rounded down.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of at most 1"
    )]
    pub fn overall_percent(self, percent: u8) -> u8 {
        (self.overall(percent) * 100.0).floor() as u8
    }
}
