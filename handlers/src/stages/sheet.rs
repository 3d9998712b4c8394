//! The prepared image that both stages work on: without specks, straightened, and its smoothed copy.

use std::borrow::Cow;

use image::GrayImage;
use serde::{Deserialize, Serialize};

use super::{
    ink,
    plan::FloorPlan,
    report::{Interrupted, Passes},
    skew, specks,
    straighten::Straightening,
};

/// The steps that prepare an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// How often specks are removed: two adjacent specks take two passes. After two passes, a median filter
    /// smooths the edges.
    pub despeckled: u8,
    /// The clockwise rotation of the plan, in degrees.
    pub rotation: f64,
}

/// The image cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// There are too many specks.
    #[error(
        "the image is too noisy: {per_thousand} of 1000 pixels are specks that differ from all \
         around them; scan the plan again, or remove the noise with a median filter"
    )]
    Noisy {
        /// Specks per thousand pixels.
        per_thousand: u64,
    },
    /// The plan is rotated by too much.
    #[error(
        "the plan is rotated by about {:.1} degrees {}; straighten it to within {} degrees",
        degrees.abs(),
        if *degrees < 0.0 { "counter-clockwise" } else { "clockwise" },
        skew::MAX_DEGREES
    )]
    Rotated {
        /// The clockwise rotation.
        degrees: f64,
    },
    /// The stage was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl SheetError {
    /// The error code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Noisy { .. } => "image_noisy",
            Self::Rotated { .. } => "plan_rotated",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

/// A prepared image.
pub(super) struct Sheet<'p> {
    /// The brightness of each pixel.
    pub(super) sharp: Cow<'p, GrayImage>,
    /// `sharp` with each pixel replaced by the mean of its neighbourhood.
    pub(super) smooth: GrayImage,
    /// Converts coordinates to those of the input image.
    pub(super) straightening: Straightening,
}

impl<'p> Sheet<'p> {
    /// Measures which steps an image needs, and prepares it.
    pub(super) fn measure(
        plan: &'p FloorPlan,
        (message, until): (&str, u8),
        passes: &mut Passes,
    ) -> Result<(Self, Preparation), SheetError> {
        let (width, height) = (plan.size().0 as usize, plan.size().1 as usize);
        let mut pass = passes.next(message, until / 4, (width, height));
        let per_thousand = specks::per_thousand(plan.brightness(), &mut pass)?;
        if per_thousand > specks::MAX_PER_THOUSAND {
            return Err(SheetError::Noisy { per_thousand });
        }
        let mut preparation = Preparation {
            despeckled: match per_thousand {
                ..specks::MIN_PER_THOUSAND => 0,
                specks::MIN_PER_THOUSAND..10 => 1,
                _ => 2,
            },
            rotation: 0.0,
        };
        let turned = Self::prepare(plan, preparation, (message, until / 2), passes)?;
        let mut pass = passes.next(message, until * 3 / 4, (width, height));
        preparation.rotation =
            skew::degrees(&turned.smooth, &mut pass)?.map_err(|turned| SheetError::Rotated {
                degrees: turned.degrees,
            })?;
        if preparation.rotation == 0.0 {
            return Ok((turned, preparation));
        }
        let straight = Self::prepare(plan, preparation, (message, until), passes)?;
        Ok((straight, preparation))
    }

    /// Prepares an image by known steps.
    pub(super) fn prepare(
        plan: &'p FloorPlan,
        preparation: Preparation,
        (message, until): (&str, u8),
        passes: &mut Passes,
    ) -> Result<Self, Interrupted> {
        let size = (plan.size().0 as usize, plan.size().1 as usize);
        let mut steps = passes.steps_until(until, 5);
        let mut next = || steps.next().unwrap_or(until);
        let mut sharp = Cow::Borrowed(plan.brightness());
        for _ in 0..preparation.despeckled {
            let mut pass = passes.next(message, next(), size);
            sharp = Cow::Owned(specks::remove(&sharp, &mut pass)?);
        }
        if preparation.despeckled > 1 {
            let mut pass = passes.next(message, next(), size);
            sharp = Cow::Owned(specks::median(&sharp, &mut pass)?);
        }
        let straightening = Straightening::new(preparation.rotation, plan.size());
        if preparation.rotation != 0.0 {
            let mut pass = passes.next(message, next(), size);
            sharp = Cow::Owned(straightening.straight(&sharp, &mut pass)?);
        }
        let smooth = ink::smooth(&sharp, message, until, passes)?;
        Ok(Self {
            sharp,
            smooth,
            straightening,
        })
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.smooth.width() as usize, self.smooth.height() as usize)
    }
}
