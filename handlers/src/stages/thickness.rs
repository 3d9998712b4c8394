//! Measures the thickness of walls, which distinguishes them from text, furniture and door leaves.

use std::ops::Range;

use super::{
    mask::{Mask, runs},
    report::{Interrupted, Pass},
};

/// Minimum thickness of walls, in pixels. Thinner walls cannot be distinguished from other lines.
pub(super) const MIN_THICKNESS: usize = 3;

/// A run across a stroke belongs to a line if the line is at least this many times as long as the run.
const ELONGATION: usize = 4;

/// A histogram of ink by the thickness of its straight lines.
pub(super) struct Thicknesses {
    /// Number of pixels of ink, indexed by thickness.
    pixels: Vec<u64>,
}

/// The range of the thickness of walls, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WallThickness {
    /// The minimum. Thinner ink is text, furniture or the leaf of a door.
    pub(super) thinnest: usize,
    /// The thickness of most wall pixels.
    pub(super) typical: usize,
    /// The thickness of the thickest walls.
    pub(super) thickest: usize,
}

impl WallThickness {
    /// Edges of walls are in line if they differ by at most this, in pixels. Noise makes edges ragged, and
    /// the leaf of an open door may lie against one.
    pub(super) fn tolerance(self) -> usize {
        self.typical.div_ceil(4).max(2)
    }

    /// The maximum width of a door, in pixels. Doors are two to fifteen times as wide as walls are thick.
    pub(super) fn widest_door(self) -> usize {
        12 * self.typical + 16
    }
}

impl Thicknesses {
    /// An empty histogram for an image of this size. A wall is at most as thick as a sixth of the shorter side.
    pub(super) fn new((width, height): (usize, usize)) -> Self {
        Self {
            pixels: vec![0; (width.min(height) / 6).max(MIN_THICKNESS) + 2],
        }
    }

    /// Adds the vertical lines of the mask. Call it with the transposed mask, too, to count all lines.
    pub(super) fn add(&mut self, mask: &Mask, pass: &mut Pass) -> Result<(), Interrupted> {
        self.add_runs(mask, true, pass)
    }

    /// Adds the straight vertical gaps between lines.
    pub(super) fn add_gaps(&mut self, mask: &Mask, pass: &mut Pass) -> Result<(), Interrupted> {
        self.add_runs(mask, false, pass)
    }

    fn add_runs(&mut self, mask: &Mask, value: bool, pass: &mut Pass) -> Result<(), Interrupted> {
        for y in 0..mask.height() {
            pass.row(y)?;
            for run in runs(mask.row(y), value) {
                let thickness = run.len();
                // A run at the edge of the image is not a gap.
                let is_between = value || run.start > 0 && run.end < mask.width();
                if is_between && thickness < self.pixels.len() && goes_on(mask, &run, y, value) {
                    self.pixels[thickness] += thickness as u64;
                }
            }
        }
        Ok(())
    }

    /// The thickness of walls. None if there are no walls.
    pub(super) fn of_walls(&self) -> Option<WallThickness> {
        // Edges are uncertain by a pixel, so a wall's ink is spread over three thicknesses.
        let around = |thickness: usize| -> u64 {
            self.pixels[thickness - 1..self.pixels.len().min(thickness + 2)]
                .iter()
                .sum()
        };
        let thicknesses = MIN_THICKNESS..self.pixels.len() - 1;
        let typical = thicknesses
            .clone()
            .max_by_key(|&thickness| around(thickness) + self.pixels[thickness])
            .filter(|&thickness| self.pixels[thickness] > 0)?;
        let thickest = thicknesses
            .filter(|&thickness| self.pixels[thickness] * 12 >= around(typical))
            .max()
            .map_or(typical, |thickest| thickest.max(typical));
        // Inner walls may be half as thick as outer walls, and the lines of furniture are thinner than
        // both. The limit is below the thinnest walls, where there is hardly any ink. With a frame as
        // thick as inner walls, such a thickness may only exist further down. Otherwise, the limit is the
        // thickness with the least ink.
        let cuts =
            (typical * 2).div_ceil(5).max(MIN_THICKNESS)..=(typical * 3 / 5).max(MIN_THICKNESS);
        let is_clear = |cut: &usize| self.pixels[cut - 1] * 50 <= around(typical);
        let lower = (MIN_THICKNESS..*cuts.start()).rev();
        let clear = cuts.clone().chain(lower).find(is_clear);
        let thinnest = clear.or_else(|| cuts.min_by_key(|&cut| self.pixels[cut - 1]))?;
        Some(WallThickness {
            thinnest,
            typical,
            thickest,
        })
    }

    /// The length of all lines up to a thickness, in pixels.
    pub(super) fn length(&self, thickest: usize) -> u64 {
        let lines = self.pixels.iter().zip(0_u64..).skip(1).take(thickest);
        lines.map(|(pixels, thickness)| pixels / thickness).sum()
    }

    /// Number of pixels of ink in straight lines that are as thick as walls.
    pub(super) fn wall_pixels(&self, walls: WallThickness) -> u64 {
        let last = (walls.thickest + 1).min(self.pixels.len() - 1);
        self.pixels[walls.thinnest.min(last)..=last].iter().sum()
    }
}

/// Whether ink, or floor, continues up and down from the middle of a run, as in a line.
fn goes_on(mask: &Mask, run: &Range<usize>, y: usize, value: bool) -> bool {
    let needed = ELONGATION * run.len();
    let middle = run.start + run.len() / 2;
    let up = (0..y)
        .rev()
        .take(needed)
        .take_while(|&y| mask.get(middle, y) == value)
        .count();
    let down = (y..mask.height())
        .take(needed)
        .take_while(|&y| mask.get(middle, y) == value)
        .count();
    up + down >= needed
}
