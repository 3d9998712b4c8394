//! `stage_1`: which pixels are wall.

use serde::{Deserialize, Serialize};

use super::{
    ink::{self, Threshold},
    mask::{Mask, runs},
    pieces,
    plan::FloorPlan,
    regions::{Region, Regions},
    report::{Interrupted, Passes, Report},
    thickness::{self, Thicknesses, WallThickness},
};

/// Least share of what is left of the ink that must lie in straight lines as thick as walls, in
/// percent. A plan has nearly all of it there, noise and photographs have little.
const LEAST_STRAIGHT_PERCENT: u64 = 45;

/// The longest wall has at least this part of the image's shorter side.
const LEAST_LENGTH: u32 = 8;

/// What `stage_1` has found out about a plan's walls. Enough to find every wall pixel again with
/// little work, so it can be stored and `stage_2` can go on from it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// The plan's size, in pixels.
    pub image: ImageSize,
    /// Brightness, 0 to 255, that parts ink from paper.
    pub threshold: u8,
    /// Whether the plan is drawn light on dark.
    pub light_on_dark: bool,
    /// How thick the walls are, in pixels.
    pub thickness: Thickness,
    /// Straight pieces of wall.
    pub segments: u32,
    /// Pixels that are wall.
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

/// How thick walls are, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thickness {
    /// Thinner ink is text, furniture or the leaf of a door.
    pub thinnest: u32,
    /// The thickness of most walls.
    pub typical: u32,
    /// The thickness of the thickest walls.
    pub thickest: u32,
}

/// Why no walls were found.
#[derive(Debug, thiserror::Error)]
pub enum WallsError {
    /// The picture is of one brightness.
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
        thickness::LEAST
    )]
    NoThickLines,
    /// What is dark is no network of lines: a photograph, noise.
    #[error(
        "the image shows no walls: only {straight_percent} % of what is dark lies in straight \
         lines; send a floor plan with straight, filled walls instead of a photograph"
    )]
    NotStraight {
        /// Share of the dark pixels, in percent.
        straight_percent: u64,
    },
    /// The lines are those of letters or of a pattern.
    #[error(
        "the image shows no walls: its longest thick line has {longest} pixels, a wall of a plan \
         this size at least {least}; crop the image to the plan"
    )]
    TooShort {
        /// Length of the longest straight line that is thick enough, in pixels.
        longest: usize,
        /// Least length of the longest wall, in pixels.
        least: u32,
    },
    /// The stage was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl WallsError {
    /// A word that programs can look at.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoContrast { .. }
            | Self::NoThickLines
            | Self::NotStraight { .. }
            | Self::TooShort { .. } => "no_walls",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

/// Finds the walls of a plan.
pub fn find(plan: &FloorPlan, report: &mut Report<'_>) -> Result<Walls, WallsError> {
    let mut passes = Passes::new(report);
    let (width, height) = plan.size();
    let size = (width as usize, height as usize);

    let smooth = ink::smooth(plan.brightness(), "Cleaning the image...", 20, &mut passes)?;
    let threshold =
        ink::threshold(&smooth).map_err(|contrast| WallsError::NoContrast { contrast })?;
    let ink = threshold.ink(
        plan.brightness(),
        &smooth,
        &mut passes.next("Separating ink from paper...", 30, size),
    )?;

    let message = "Measuring lines...";
    let turned = ink.transposed(&mut passes.next(message, 40, size))?;
    let mut lines = Thicknesses::new(size);
    lines.add(&ink, &mut passes.next(message, 45, size))?;
    lines.add(&turned, &mut passes.next(message, 50, (size.1, size.0)))?;
    let thickness = lines.of_walls().ok_or(WallsError::NoThickLines)?;

    let walls = keep_walls(&ink, thickness, ("Detecting walls...", 75), &mut passes)?;

    let message = "Counting walls...";
    let turned = walls.transposed(&mut passes.next(message, 80, size))?;
    let mut lines = Thicknesses::new(size);
    lines.add(&walls, &mut passes.next(message, 85, size))?;
    lines.add(&turned, &mut passes.next(message, 90, (size.1, size.0)))?;
    let mut wall_pixels = 0;
    for y in 0..walls.height() {
        wall_pixels += walls.row(y).iter().filter(|&&wall| wall).count() as u64;
    }
    let straight_percent = (100 * lines.wall_pixels(thickness))
        .checked_div(wall_pixels)
        .ok_or(WallsError::NoThickLines)?;
    if straight_percent < LEAST_STRAIGHT_PERCENT {
        return Err(WallsError::NotStraight { straight_percent });
    }
    let mut lengths = segments(&walls, thickness, 95, &mut passes)?;
    lengths.extend(segments(&turned, thickness, 100, &mut passes)?);
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let least = width.min(height) / LEAST_LENGTH;
    if pixels(longest) < least {
        return Err(WallsError::TooShort { longest, least });
    }
    Ok(Walls {
        image: ImageSize { width, height },
        threshold: threshold.level,
        light_on_dark: threshold.light_on_dark,
        thickness: Thickness {
            thinnest: pixels(thickness.thinnest),
            typical: pixels(thickness.typical),
            thickest: pixels(thickness.thickest),
        },
        segments: pixels(lengths.len()),
        wall_pixels,
    })
}

impl Walls {
    /// Whether something is drawn at this pixel of the plan, wall or not.
    pub(super) fn is_ink(&self, plan: &FloorPlan, x: usize, y: usize) -> bool {
        let brightness = plan.brightness().get_pixel(pixels(x), pixels(y)).0[0];
        self.ink_threshold().is_ink(brightness)
    }

    fn ink_threshold(&self) -> Threshold {
        Threshold {
            level: self.threshold,
            light_on_dark: self.light_on_dark,
        }
    }

    /// The mask of wall pixels, from the plan that these walls were found in.
    pub(super) fn trace(
        &self,
        plan: &FloorPlan,
        message: &str,
        until: u8,
        passes: &mut Passes,
    ) -> Result<Mask, Interrupted> {
        let size = (plan.size().0 as usize, plan.size().1 as usize);
        let smooth = ink::smooth(plan.brightness(), message, until / 3, passes)?;
        let mut pass = passes.next(message, until / 2, size);
        let ink = self
            .ink_threshold()
            .ink(plan.brightness(), &smooth, &mut pass)?;
        keep_walls(&ink, self.thickness.into(), (message, until), passes)
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

/// What is left of the ink without thin lines and without what stands alone and is short.
fn keep_walls(
    ink: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Mask, Interrupted> {
    let size = ink.size();
    let mut pass = passes.next(message, until - until / 10, size);
    let thick = ink.opened(thickness.thinnest, &mut pass)?;
    let solid = thick.opened(
        (thickness.typical * 3 / 4).max(thickness.thinnest),
        &mut passes.next(message, until - until / 20, size),
    )?;
    let mut pass = passes.next(message, until - until / 20, size);
    let regions = Regions::of(&thick, true, &mut pass)?;
    let is_long = long_ones(&regions, thickness);
    let mut long = thick.clone();
    regions.keep(&mut long, |_, region| is_long(region));
    let solid = regions.pixels_in(&solid);
    let mut pass = passes.next(message, until, size);
    let mut kept = Vec::with_capacity(regions.list.len());
    for (region, solid) in regions.list.iter().zip(solid) {
        pass.row(region.rows.start)?;
        kept.push(
            is_long(region)
                || (region.length() >= 3 * thickness.thickest && 2 * solid >= region.area)
                || pieces::continues_a_wall(region, &thick, &long, thickness),
        );
    }
    let mut walls = thick;
    regions.keep(&mut walls, |index, _| kept[index]);
    Ok(walls)
}

/// Tells walls from what stands free in a room, shorter than a wall: ten times the thickness of
/// walls is about two metres.
pub(super) fn long_ones(
    regions: &Regions,
    thickness: WallThickness,
) -> impl Fn(&Region) -> bool + use<> {
    let longest = regions.list.iter().map(Region::length).max().unwrap_or(0);
    let least = (longest / 3).min(10 * thickness.typical);
    move |region| region.length() >= least
}

/// Lengths of the straight pieces of wall that run across the mask.
fn segments(
    walls: &Mask,
    thickness: WallThickness,
    until: u8,
    passes: &mut Passes,
) -> Result<Vec<usize>, Interrupted> {
    let message = "Counting walls...";
    let half = until - 2;
    let mut long = Mask::new(walls.width(), walls.height());
    let mut pass = passes.next(message, half, walls.size());
    for y in 0..walls.height() {
        pass.row(y)?;
        let target = long.row_mut(y);
        for run in runs(walls.row(y), true).filter(|run| run.len() >= 3 * thickness.thickest) {
            target[run].fill(true);
        }
    }
    let mut pass = passes.next(message, until, walls.size());
    let regions = Regions::of(&long, true, &mut pass)?;
    let is_segment = |region: &&Region| region.rows.len() >= thickness.thinnest;
    let segments = regions.list.iter().filter(is_segment);
    Ok(segments.map(|segment| segment.columns.len()).collect())
}

/// A count of pixels or less; a plan is far smaller than the type's range.
pub(super) fn pixels(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
