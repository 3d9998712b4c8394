//! Why the walls of a plan cannot be found.

use super::{report::Interrupted, sheet::SheetError, thickness};

/// No walls were found.
#[derive(Debug, thiserror::Error)]
pub enum WallsError {
    /// The image has a uniform brightness.
    #[error(
        "the image shows no walls: ink and paper differ by only {contrast} of 255 in brightness; \
         send a plan with dark walls on light ground"
    )]
    NoContrast {
        /// Difference of the mean brightnesses.
        contrast: u32,
    },
    /// No line is thick enough.
    #[error(
        "the image shows no walls: no straight line is at least {} pixels thick; send the plan at \
         a higher resolution, with filled walls",
        thickness::MIN_THICKNESS
    )]
    NoThickLines,
    /// The dark pixels are not a network of lines: a photograph, or noise.
    #[error(
        "the image shows no walls: only {straight_percent} % of what is dark lies in straight \
         lines; send a floor plan with straight, filled walls and without noise instead of a \
         photograph"
    )]
    NotStraight {
        /// The share of dark pixels that lie in straight lines, in percent.
        straight_percent: u64,
    },
    /// The lines belong to letters or to a pattern.
    #[error(
        "the image shows no walls: its longest thick line has {longest} pixels, a wall of a plan \
         this size at least {least}; send a plan that fills the image, with walls that stand out \
         from the paper as clearly as the text"
    )]
    TooShort {
        /// Length of the longest straight line that is thick enough, in pixels.
        longest: usize,
        /// The minimum length of the longest wall, in pixels.
        least: u32,
    },
    /// Lines are the outlines or the hatching of walls, but not closed around them.
    #[error(
        "the walls are drawn as double lines or hatched, and cannot be distinguished from the floor between \
         them; send the plan with filled walls, darker than floors and text"
    )]
    Hollow,
    /// The plan cannot be prepared.
    #[error(transparent)]
    Sheet(SheetError),
    /// The stage was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<SheetError> for WallsError {
    fn from(error: SheetError) -> Self {
        match error {
            SheetError::Interrupted(interrupted) => Self::Interrupted(interrupted),
            error => Self::Sheet(error),
        }
    }
}

impl WallsError {
    /// The error code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoContrast { .. }
            | Self::NoThickLines
            | Self::NotStraight { .. }
            | Self::TooShort { .. } => "no_walls",
            Self::Hollow => "hollow_walls",
            Self::Sheet(error) => error.code(),
            Self::Interrupted(_) => "interrupted",
        }
    }
}
