//! `stage_1`: finds the pixels that are walls.

use serde::{Deserialize, Serialize};

use super::{
    hollow::Hollows,
    ink::{self, Threshold},
    mask::{Mask, pixels},
    plan::FloorPlan,
    reading::{Reading, keep_walls, read},
    report::{Interrupted, Passes, ProgressCallback},
    sheet::{Preparation, Sheet},
    thickness::WallThickness,
    walls_error::WallsError,
};

/// The output of `stage_1`: parameters from which `stage_2` finds every wall pixel again with little work.
/// They are small enough to be stored as a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walls {
    /// The plan's size, in pixels.
    pub image: ImageSize,
    /// The steps that prepared the image.
    #[serde(default)]
    pub preparation: Preparation,
    /// The brightness, 0 to 255, that separates ink from paper.
    pub threshold: u8,
    /// Whether the plan is drawn light on dark.
    pub light_on_dark: bool,
    /// Gaps between the outlines of walls are filled if they are narrower than this, in pixels. 0 if walls
    /// are drawn filled.
    #[serde(default)]
    pub filled_gaps: u32,
    /// The thickness of the walls, in pixels.
    pub thickness: Thickness,
    /// Number of straight wall segments.
    pub segments: u32,
    /// Number of pixels that are walls.
    pub wall_pixels: u64,
}

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// The thickness of walls, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thickness {
    /// The minimum. Thinner ink is text, furniture or the leaf of a door.
    pub thinnest: u32,
    /// The thickness of most walls.
    pub typical: u32,
    /// The thickness of the thickest walls.
    pub thickest: u32,
}

/// Finds the walls of a plan.
///
/// An image has several possible interpretations: which pixels are ink, and whether lines are walls or
/// outlines of walls. The first certain interpretation is chosen, or else the one with the greatest length
/// of walls.
pub fn find(plan: &FloorPlan, report: &mut ProgressCallback<'_>) -> Result<Walls, WallsError> {
    let mut passes = Passes::new(report);
    let (sheet, preparation) = Sheet::measure(plan, ("Cleaning the image...", 30), &mut passes)?;
    let thresholds = ink::thresholds(&sheet.sharp, &sheet.smooth)
        .map_err(|contrast| WallsError::NoContrast { contrast })?;
    let mut readings = Readings::default();
    let (likelier, others) = thresholds.split_at(thresholds.len() / 2);
    for (thresholds, until) in [(likelier, 96), (others, 98)] {
        for &threshold in thresholds {
            let mut pass = passes.next("Separating ink from paper...", 36, sheet.size());
            let ink = threshold.ink(&sheet.sharp, &sheet.smooth, &mut pass)?;
            let reading = read(&ink, false, ("Detecting walls...", until), &mut passes);
            readings.add(threshold, 0, reading)?;
        }
        if readings
            .best
            .as_ref()
            .is_some_and(|best| best.reading.is_certain(sheet.size()))
        {
            break;
        }
        if readings
            .best
            .as_ref()
            .is_none_or(|best| best.reading.is_bare())
        {
            let message = "Filling walls...";
            for &threshold in &thresholds[..1] {
                let mut pass = passes.next(message, until, sheet.size());
                let lines = threshold.all_ink(&sheet.sharp, &mut pass)?;
                let mut pass = passes.next(message, until, sheet.size());
                let hollows = Hollows::of(&lines, &mut pass)?;
                for width in hollows.widths_to_try() {
                    let mut filled = lines.clone();
                    hollows.fill(&mut filled, width);
                    let reading = read(&filled, true, (message, until), &mut passes);
                    readings.add(threshold, pixels(width), reading)?;
                }
            }
        }
    }
    let Readings {
        best,
        doubtful,
        error,
    } = readings;
    let Some(best) = best else {
        return Err(match doubtful {
            Some(true) => WallsError::Hollow,
            _ => error.unwrap_or(WallsError::Hollow),
        });
    };
    let thickness = best.reading.thickness;
    let (width, height) = plan.size();
    Ok(Walls {
        image: ImageSize { width, height },
        preparation,
        threshold: best.threshold.level,
        light_on_dark: best.threshold.light_on_dark,
        filled_gaps: best.filled_gaps,
        thickness: Thickness {
            thinnest: pixels(thickness.thinnest),
            typical: pixels(thickness.typical),
            thickest: pixels(thickness.thickest),
        },
        segments: pixels(best.reading.segments),
        wall_pixels: best.reading.wall_pixels,
    })
}

/// The interpretations of an image so far.
#[derive(Default)]
struct Readings {
    best: Option<Candidate>,
    /// The first doubtful interpretation, if any: whether its walls are hollow.
    doubtful: Option<bool>,
    /// The error of the first interpretation without walls.
    error: Option<WallsError>,
}

/// An interpretation of the image.
struct Candidate {
    threshold: Threshold,
    filled_gaps: u32,
    reading: Reading,
}

impl Readings {
    fn add(
        &mut self,
        threshold: Threshold,
        filled_gaps: u32,
        reading: Result<Reading, WallsError>,
    ) -> Result<(), Interrupted> {
        match reading {
            Err(WallsError::Interrupted(interrupted)) => return Err(interrupted),
            Err(error) => {
                self.error.get_or_insert(error);
            }
            Ok(reading) if !reading.is_sound() => {
                self.doubtful.get_or_insert(reading.is_hollow);
            }
            Ok(reading) => {
                // Earlier interpretations are likelier, so a later one has to be clearly better than some
                // additional text or furniture would make it. The margin around a small house is longer
                // than its walls, but is not a wall.
                let is_better = self.best.as_ref().is_none_or(|best| {
                    let is_margin = reading.is_at_edge
                        && threshold.light_on_dark != best.threshold.light_on_dark;
                    // Filling must add walls, not closed pieces of furniture.
                    let length = if filled_gaps > 0 && best.filled_gaps == 0 {
                        reading.network_length
                    } else {
                        reading.length
                    };
                    !is_margin && 20 * length > 23 * best.reading.length
                });
                if is_better {
                    self.best = Some(Candidate {
                        threshold,
                        filled_gaps,
                        reading,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Walls {
    /// Whether a pixel of the prepared plan is ink, of a wall or not.
    pub(super) fn is_ink(&self, sheet: &Sheet, x: usize, y: usize) -> bool {
        let brightness = sheet.sharp.get_pixel(pixels(x), pixels(y)).0[0];
        self.ink_threshold().is_ink(brightness)
    }

    fn ink_threshold(&self) -> Threshold {
        Threshold {
            level: self.threshold,
            light_on_dark: self.light_on_dark,
        }
    }

    /// The prepared plan in which the walls were found, and the mask of their pixels.
    pub(super) fn trace<'p>(
        &self,
        plan: &'p FloorPlan,
        message: &str,
        until: u8,
        passes: &mut Passes,
    ) -> Result<(Sheet<'p>, Mask), Interrupted> {
        let sheet = Sheet::prepare(plan, self.preparation, (message, until / 3), passes)?;
        let threshold = self.ink_threshold();
        let mut pass = passes.next(message, until / 2, sheet.size());
        let ink = if self.filled_gaps == 0 {
            threshold.ink(&sheet.sharp, &sheet.smooth, &mut pass)?
        } else {
            let mut lines = threshold.all_ink(&sheet.sharp, &mut pass)?;
            let mut pass = passes.next(message, until / 2, sheet.size());
            Hollows::of(&lines, &mut pass)?.fill(&mut lines, self.filled_gaps as usize);
            lines
        };
        let walls = keep_walls(&ink, self.thickness.into(), (message, until), passes)?;
        Ok((sheet, walls))
    }
}

impl From<Thickness> for WallThickness {
    fn from(thickness: Thickness) -> Self {
        Self {
            thinnest: thickness.thinnest as usize,
            typical: thickness.typical as usize,
            thickest: thickness.thickest as usize,
        }
    }
}
