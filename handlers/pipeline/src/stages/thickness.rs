//! How thick walls are: what sets them apart from text, furniture and door leaves.

use std::ops::Range;

use super::{
    mask::{Mask, runs},
    report::{Interrupted, Pass},
};

/// Walls thinner than this cannot be told from other lines, in pixels.
pub(super) const LEAST: usize = 3;

/// A stretch across something belongs to a line if the line goes on for at least this many times
/// the stretch.
const ELONGATION: usize = 4;

/// Ink by the thickness of the straight lines that it belongs to.
pub(super) struct Thicknesses {
    /// Pixels of ink, indexed by thickness.
    pixels: Vec<u64>,
}

/// The thicknesses that walls have, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WallThickness {
    /// Anything thinner is text, furniture or the leaf of a door.
    pub(super) thinnest: usize,
    /// That of most wall pixels.
    pub(super) typical: usize,
    /// That of the thick outer walls.
    pub(super) thickest: usize,
}

impl WallThickness {
    /// Edges of walls that differ by no more than this are in line. Noise makes them ragged, and
    /// the leaf of an open door may lie against one.
    pub(super) fn tolerance(self) -> usize {
        self.typical.div_ceil(4).max(2)
    }

    /// The widest opening that is taken for a door's. Doors are two to fifteen times as wide as
    /// walls are thick.
    pub(super) fn widest_door(self) -> usize {
        12 * self.typical + 16
    }
}

impl Thicknesses {
    /// For an image of this size: a wall is no thicker than a sixth of it.
    pub(super) fn new((width, height): (usize, usize)) -> Self {
        Self {
            pixels: vec![0; (width.min(height) / 6).max(LEAST) + 2],
        }
    }

    /// Adds the lines that run down the mask. Given the transposed mask too, all are counted.
    pub(super) fn add(&mut self, mask: &Mask, pass: &mut Pass) -> Result<(), Interrupted> {
        self.add_runs(mask, true, pass)
    }

    /// Adds the straight gaps between lines that run down the mask.
    pub(super) fn add_gaps(&mut self, mask: &Mask, pass: &mut Pass) -> Result<(), Interrupted> {
        self.add_runs(mask, false, pass)
    }

    fn add_runs(&mut self, mask: &Mask, value: bool, pass: &mut Pass) -> Result<(), Interrupted> {
        for y in 0..mask.height() {
            pass.row(y)?;
            for run in runs(mask.row(y), value) {
                let thickness = run.len();
                // Beside the image's edge is no gap.
                let is_between = value || run.start > 0 && run.end < mask.width();
                if is_between && thickness < self.pixels.len() && goes_on(mask, &run, y, value) {
                    self.pixels[thickness] += thickness as u64;
                }
            }
        }
        Ok(())
    }

    /// What the walls among it are, if there are any.
    pub(super) fn of_walls(&self) -> Option<WallThickness> {
        // Edges are uncertain by a pixel, so a wall's ink is spread over three thicknesses.
        let around = |thickness: usize| -> u64 {
            self.pixels[thickness - 1..self.pixels.len().min(thickness + 2)]
                .iter()
                .sum()
        };
        let thicknesses = LEAST..self.pixels.len() - 1;
        let typical = thicknesses
            .clone()
            .max_by_key(|&thickness| around(thickness) + self.pixels[thickness])
            .filter(|&thickness| self.pixels[thickness] > 0)?;
        let thickest = thicknesses
            .filter(|&thickness| self.pixels[thickness] * 12 >= around(typical))
            .max()
            .map_or(typical, |thickest| thickest.max(typical));
        // Inner walls may be half as thick as outer ones, and furniture's lines are thinner than
        // both: the cut is below the thinnest walls, where there is hardly any ink. A frame as thick
        // as inner walls may leave no such place but one further down. Else it is where there is
        // least ink to be wrong about.
        let cuts = (typical * 2).div_ceil(5).max(LEAST)..=(typical * 3 / 5).max(LEAST);
        let is_clear = |cut: &usize| self.pixels[cut - 1] * 50 <= around(typical);
        let lower = (LEAST..*cuts.start()).rev();
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

    /// Ink in straight lines that are as thick as walls.
    pub(super) fn wall_pixels(&self, walls: WallThickness) -> u64 {
        let last = (walls.thickest + 1).min(self.pixels.len() - 1);
        self.pixels[walls.thinnest.min(last)..=last].iter().sum()
    }
}

/// Whether ink, or floor, goes on up and down from the middle of a run, as a line does.
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
