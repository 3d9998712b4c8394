//! One interpretation of an image: given the pixels that are ink, finds those that are walls, and measures
//! how plausible the walls are.

use super::{
    mask::{Mask, pixels, runs},
    pieces,
    regions::{Region, Regions},
    report::{Interrupted, Passes},
    thickness::{Thicknesses, WallThickness},
    walls_error::WallsError,
};

/// Minimum share of the remaining ink that lies in straight lines as thick as walls, in percent. A plan has
/// nearly 100 %; noise and photographs have little.
const MIN_STRAIGHT_PERCENT: u64 = 45;

/// The longest wall is at least the shorter side of the image divided by this.
const MIN_LENGTH: u32 = 8;

/// Minimum share of lines with a gap beside them, in percent, for walls that are drawn as double lines. The
/// maximum is 50, because one gap is between two lines.
const DOUBLE_PERCENT: u64 = 36;

/// A wall with its outlines is thinner than the shorter side of the plan divided by this.
const THINNER_THAN: usize = 22;

/// Minimum share of the pixels at the edge of the image that are walls, in percent, for the walls to be the
/// margin around a house.
const MARGIN_PERCENT: usize = 75;

/// A network of walls is at least as long as the longest region, which may be a frame, divided by this.
const NETWORK: usize = 4;

/// A region of walls is a bar if it is narrower than this many times the thickness of a wall.
const BAR: usize = 4;

/// Minimum number of cells between lines for the lines to be hatching.
const MIN_CELLS: usize = 20;

/// The walls in the ink, and measures of their plausibility.
pub(super) struct Reading {
    pub(super) thickness: WallThickness,
    pub(super) wall_pixels: u64,
    /// Number of straight wall segments.
    pub(super) segments: usize,
    /// Total length of the segments, in pixels.
    pub(super) length: usize,
    /// Total length of the segments in networks, in pixels. A piece of furniture is not a network.
    pub(super) network_length: usize,
    /// Length of the longest segment, in pixels.
    pub(super) longest: usize,
    /// Whether the walls are the outlines or the hatching of walls.
    pub(super) is_hollow: bool,
    /// Whether a large share of the ink is in blocks that are far thicker than walls.
    pub(super) has_blocks: bool,
    /// Whether most of the image's edge counts as walls; it is probably the margin.
    pub(super) is_at_edge: bool,
}

impl Reading {
    /// Whether nothing contradicts the interpretation.
    pub(super) fn is_sound(&self) -> bool {
        !self.is_hollow && !self.has_blocks
    }

    /// Whether no other interpretation can be better.
    pub(super) fn is_certain(&self, (width, height): (usize, usize)) -> bool {
        self.is_sound() && !self.is_bare() && 3 * self.longest >= width.min(height)
    }

    /// Whether there are hardly more segments than those of a frame around the sheet.
    pub(super) fn is_bare(&self) -> bool {
        self.segments <= 6
    }
}

/// Interprets an image by its ink, which may include filled gaps.
pub(super) fn read(
    ink: &Mask,
    is_filled: bool,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Reading, WallsError> {
    let size = ink.size();
    let turned_size = (size.1, size.0);
    let mut steps = passes.steps_until(until, 16);
    let mut next = || steps.next().unwrap_or(until);

    let turned = ink.transposed(&mut passes.next(message, next(), size))?;
    let mut lines = Thicknesses::new(size);
    lines.add(ink, &mut passes.next(message, next(), size))?;
    lines.add(&turned, &mut passes.next(message, next(), turned_size))?;
    let thickness = lines.of_walls().ok_or(WallsError::NoThickLines)?;

    let until_kept = (0..5).map(|_| next()).last().unwrap_or(until);
    let walls = keep_walls(ink, thickness, (message, until_kept), passes)?;

    let turned = walls.transposed(&mut passes.next(message, next(), size))?;
    let mut lines = Thicknesses::new(size);
    lines.add(&walls, &mut passes.next(message, next(), size))?;
    lines.add(&turned, &mut passes.next(message, next(), turned_size))?;
    let wall_pixels = walls.count();
    let straight_percent = (100 * lines.wall_pixels(thickness))
        .checked_div(wall_pixels)
        .ok_or(WallsError::NoThickLines)?;
    if straight_percent < MIN_STRAIGHT_PERCENT {
        return Err(WallsError::NotStraight { straight_percent });
    }
    let mut lengths = segments(&walls, thickness, (message, next()), passes)?;
    lengths.extend(segments(&turned, thickness, (message, next()), passes)?);
    let length = lengths.iter().sum();
    let network_length = if is_filled {
        network_length(&walls, thickness, (message, until), passes)?
    } else {
        length
    };
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let least = pixels(size.0.min(size.1)) / MIN_LENGTH;
    if pixels(longest) < least {
        return Err(WallsError::TooShort { longest, least });
    }

    let thinner_than = (size.0.min(size.1) / THINNER_THAN).min(8 * thickness.typical);
    let mut gaps = Thicknesses::new(size);
    gaps.add_gaps(&walls, &mut passes.next(message, next(), size))?;
    gaps.add_gaps(&turned, &mut passes.next(message, next(), turned_size))?;
    let is_doubled = 100 * gaps.length(thinner_than)
        >= DOUBLE_PERCENT * lines.length(thickness.thickest + 1).max(1);
    let floor = Regions::of(&walls, false, &mut passes.next(message, next(), size))?;
    let is_hatched = has_cells(&floor, size, thinner_than, wall_pixels);
    let block = 2 * thickness.thickest + 4;
    let blocks = walls.opened(block, &mut passes.next(message, until, size))?;
    Ok(Reading {
        thickness,
        wall_pixels,
        segments: lengths.len(),
        length,
        network_length,
        longest,
        is_hollow: is_doubled || is_hatched,
        has_blocks: 10 * blocks.count() > wall_pixels,
        is_at_edge: is_at_edge(&walls),
    })
}

/// The total length of the segments in networks of walls: regions that are not bars, and not far shorter
/// than the longest region. A closed piece of furniture that was filled is not part of a network.
fn network_length(
    walls: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<usize, Interrupted> {
    let size = walls.size();
    let regions = Regions::of(walls, true, &mut passes.next(message, until, size))?;
    let longest = regions.list.iter().map(Region::length).max().unwrap_or(0);
    let mut networks = walls.clone();
    regions.keep(&mut networks, |_, region| {
        NETWORK * region.length() >= longest && region.breadth() >= BAR * thickness.thickest
    });
    let turned = networks.transposed(&mut passes.next(message, until, size))?;
    let across = segments(&networks, thickness, (message, until), passes)?;
    let down = segments(&turned, thickness, (message, until), passes)?;
    Ok(across.into_iter().chain(down).sum())
}

/// Whether walls cover most of the edge of the image.
fn is_at_edge(walls: &Mask) -> bool {
    let (width, height) = walls.size();
    let (Some(last_row), Some(last)) = (height.checked_sub(1), width.checked_sub(1)) else {
        return false;
    };
    let count = |row: &[bool]| row.iter().filter(|&&wall| wall).count();
    let across = count(walls.row(0)) + count(walls.row(last_row));
    let down = (0..height)
        .map(|y| usize::from(walls.get(0, y)) + usize::from(walls.get(last, y)))
        .sum::<usize>();
    100 * (across + down) >= MARGIN_PERCENT * 2 * (width + height)
}

/// Whether lines enclose many cells that are narrower than walls and cover a similar area.
fn has_cells(floor: &Regions, size: (usize, usize), thinner_than: usize, wall_pixels: u64) -> bool {
    let widths = floor.widths();
    let cells = floor.list.iter().zip(widths);
    let cells = cells.filter(|(region, width)| *width < thinner_than && region.is_inside(size));
    let (count, area) = cells.fold((0, 0), |(count, area), (region, _)| {
        (count + 1, area + region.area as u64)
    });
    count >= MIN_CELLS && 10 * area >= 3 * wall_pixels
}

/// The ink without thin lines, and without regions that are isolated and short.
pub(super) fn keep_walls(
    ink: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Mask, Interrupted> {
    let size = ink.size();
    let mut steps = passes.steps_until(until, 4);
    let mut next = || steps.next().unwrap_or(until);
    let thick = ink.opened(thickness.thinnest, &mut passes.next(message, next(), size))?;
    let solid = thick.opened(
        (thickness.typical * 3 / 4).max(thickness.thinnest),
        &mut passes.next(message, next(), size),
    )?;
    let regions = Regions::of(&thick, true, &mut passes.next(message, next(), size))?;
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

/// A filter for regions that are long enough for walls; furniture in a room is shorter. Ten times the
/// thickness of walls is about two metres.
pub(super) fn long_ones(
    regions: &Regions,
    thickness: WallThickness,
) -> impl Fn(&Region) -> bool + use<> {
    let longest = regions.list.iter().map(Region::length).max().unwrap_or(0);
    let least = (longest / 3).min(10 * thickness.typical);
    move |region| region.length() >= least
}

/// The lengths of the wall segments that run across the mask.
fn segments(
    walls: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Vec<usize>, Interrupted> {
    let mut long = Mask::new(walls.width(), walls.height());
    let mut pass = passes.next(message, until, walls.size());
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
