//! Fills walls that are drawn as outlines, with nothing, hatching or a light fill between them.
//!
//! A region between lines is filled if it is narrower than a wall. That width is not known beforehand, so
//! several widths are tried.

use super::{
    mask::Mask,
    regions::Regions,
    report::{Interrupted, Pass},
};

/// The widths to try are the shorter side of the plan divided by each of these.
const PARTS: [usize; 6] = [110, 76, 54, 38, 27, 20];

/// The gaps that lines enclose.
pub(super) struct Hollows {
    floor: Regions,
    /// The side of the largest square in each region.
    widths: Vec<usize>,
    size: (usize, usize),
}

impl Hollows {
    /// The gaps between the lines of a mask.
    pub(super) fn of(lines: &Mask, pass: &mut Pass) -> Result<Self, Interrupted> {
        let floor = Regions::of(lines, false, pass)?;
        Ok(Self {
            widths: floor.widths(),
            floor,
            size: lines.size(),
        })
    }

    /// The widths that fill different regions, in ascending order.
    pub(super) fn widths_to_try(&self) -> Vec<usize> {
        let shorter = self.size.0.min(self.size.1);
        let mut tried = Vec::new();
        let mut filled = 0;
        for part in PARTS {
            let width = (shorter / part).max(3);
            let count = (0..self.widths.len())
                .filter(|&region| self.is_filled(region, width))
                .count();
            if count > filled {
                filled = count;
                tried.push(width);
            }
        }
        tried
    }

    /// Fills the gaps that are narrower than a width.
    pub(super) fn fill(&self, lines: &mut Mask, width: usize) {
        self.floor
            .fill(lines, |region| self.is_filled(region, width));
    }

    fn is_filled(&self, region: usize, width: usize) -> bool {
        self.widths[region] < width && self.floor.list[region].is_inside(self.size)
    }
}
