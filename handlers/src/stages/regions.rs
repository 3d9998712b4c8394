//! Connected regions of a mask.
//!
//! Labels runs instead of pixels: about fifty times fewer elements, and no label image. Unlike the labelling
//! of `imageproc`, it can be interrupted between rows.

use std::ops::Range;

use super::{
    mask::{Mask, runs},
    report::{Interrupted, Pass},
};

/// A set of pixels that are connected by their sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Number of pixels.
    pub(super) area: usize,
    /// The columns of its bounding box.
    pub(super) columns: Range<usize>,
    /// The rows of its bounding box.
    pub(super) rows: Range<usize>,
}

impl Region {
    /// The longer side of the bounding box.
    pub(super) fn length(&self) -> usize {
        self.columns.len().max(self.rows.len())
    }

    /// The shorter side of the bounding box.
    pub(super) fn breadth(&self) -> usize {
        self.columns.len().min(self.rows.len())
    }

    /// The union of both: the sum of the areas, and the common bounding box.
    pub(super) fn and(&self, other: &Self) -> Self {
        let around = |one: &Range<usize>, other: &Range<usize>| {
            one.start.min(other.start)..one.end.max(other.end)
        };
        Self {
            area: self.area + other.area,
            columns: around(&self.columns, &other.columns),
            rows: around(&self.rows, &other.rows),
        }
    }

    /// Whether the region touches no edge of an image of this size.
    pub(super) fn is_inside(&self, (width, height): (usize, usize)) -> bool {
        self.columns.start > 0
            && self.rows.start > 0
            && self.columns.end < width
            && self.rows.end < height
    }

    fn of(run: &Run) -> Self {
        Self {
            area: run.columns.len(),
            columns: run.columns.clone(),
            rows: run.row..run.row + 1,
        }
    }

    fn add(&mut self, run: &Run) {
        self.area += run.columns.len();
        self.columns.start = self.columns.start.min(run.columns.start);
        self.columns.end = self.columns.end.max(run.columns.end);
        self.rows.end = run.row + 1;
    }
}

struct Run {
    row: usize,
    columns: Range<usize>,
    region: usize,
}

/// All regions of a mask.
pub(super) struct Regions {
    runs: Vec<Run>,
    /// The regions, in the order of their topmost, leftmost pixel.
    pub(super) list: Vec<Region>,
}

impl Regions {
    /// Finds the regions of pixels that are `value`.
    pub(super) fn of(mask: &Mask, value: bool, pass: &mut Pass) -> Result<Self, Interrupted> {
        let mut found: Vec<Run> = Vec::new();
        // For each run, an earlier run of the same region (union-find); a root is its own parent.
        let mut parents: Vec<usize> = Vec::new();
        let mut above = 0..0;
        for row in 0..mask.height() {
            pass.row(row)?;
            let first = found.len();
            let mut candidate = above.start;
            for columns in runs(mask.row(row), value) {
                let this = found.len();
                parents.push(this);
                while candidate < above.end && found[candidate].columns.end <= columns.start {
                    candidate += 1;
                }
                let mut touching = candidate;
                while touching < above.end && found[touching].columns.start < columns.end {
                    join(&mut parents, touching, this);
                    touching += 1;
                }
                found.push(Run {
                    row,
                    columns,
                    region: 0,
                });
            }
            above = first..found.len();
        }
        let mut list: Vec<Region> = Vec::new();
        for index in 0..found.len() {
            let root = root(&mut parents, index);
            let run = &found[index];
            let region = if root == index {
                list.push(Region::of(run));
                list.len() - 1
            } else {
                let region = found[root].region;
                list[region].add(run);
                region
            };
            found[index].region = region;
        }
        Ok(Self { runs: found, list })
    }

    /// For each region, the side of the largest square in it.
    pub(super) fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.list.len()];
        let columns = self.list.iter().map(|region| region.columns.end).max();
        // The sides of the largest squares that end in the row above and in this row.
        let mut above = vec![0_usize; columns.unwrap_or(0) + 1];
        let mut here = above.clone();
        for row in self.runs.chunk_by(|one, next| one.row == next.row) {
            let is_next = |first: &Run| first.row > 0 && self.has_row(first.row - 1);
            if !row.first().is_some_and(is_next) {
                above.fill(0);
            }
            here.fill(0);
            for run in row {
                for x in run.columns.clone() {
                    let side = above[x].min(above[x + 1]).min(here[x]) + 1;
                    here[x + 1] = side;
                    widths[run.region] = widths[run.region].max(side);
                }
            }
            std::mem::swap(&mut above, &mut here);
        }
        widths
    }

    fn has_row(&self, row: usize) -> bool {
        self.runs.binary_search_by_key(&row, |run| run.row).is_ok()
    }

    /// Sets the pixels of some regions.
    pub(super) fn fill(&self, mask: &mut Mask, is_filled: impl Fn(usize) -> bool) {
        for run in self.runs.iter().filter(|run| is_filled(run.region)) {
            mask.row_mut(run.row)[run.columns.clone()].fill(true);
        }
    }

    /// All runs: region, row and columns, from top to bottom.
    pub(super) fn runs(&self) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        self.runs
            .iter()
            .map(|run| (run.region, run.row, run.columns.clone()))
    }

    /// For each region, the number of its pixels that are set in a mask.
    pub(super) fn pixels_in(&self, mask: &Mask) -> Vec<usize> {
        let mut counts = vec![0; self.list.len()];
        for run in &self.runs {
            let set = mask.row(run.row)[run.columns.clone()].iter();
            counts[run.region] += set.filter(|&&cell| cell).count();
        }
        counts
    }

    /// Clears the pixels of the regions for which `is_kept` returns false.
    pub(super) fn keep(&self, mask: &mut Mask, is_kept: impl Fn(usize, &Region) -> bool) {
        let regions = self.list.iter().enumerate();
        let keep: Vec<bool> = regions
            .map(|(index, region)| is_kept(index, region))
            .collect();
        for run in self.runs.iter().filter(|run| !keep[run.region]) {
            mask.row_mut(run.row)[run.columns.clone()].fill(false);
        }
    }
}

fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

/// The earlier root remains the root, so an iteration reaches the root of a region first.
fn join(parents: &mut [usize], one: usize, other: usize) {
    let (one, other) = (root(parents, one), root(parents, other));
    parents[one.max(other)] = one.min(other);
}
