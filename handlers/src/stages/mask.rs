//! A binary image, and the operations on it that the stages need.
//!
//! All operations work row by row, so that each pass can report progress and be interrupted between rows.

use std::ops::Range;

use super::report::{Interrupted, Pass};

/// A binary image: each pixel is set or not.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Mask {
    width: usize,
    height: usize,
    cells: Vec<bool>,
}

impl Mask {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            cells: vec![false; width * height],
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Width and height.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub(super) fn get(&self, x: usize, y: usize) -> bool {
        self.cells[y * self.width + x]
    }

    pub(super) fn row(&self, y: usize) -> &[bool] {
        &self.cells[y * self.width..][..self.width]
    }

    pub(super) fn row_mut(&mut self, y: usize) -> &mut [bool] {
        &mut self.cells[y * self.width..][..self.width]
    }

    pub(super) fn fill(&mut self, columns: Range<usize>, rows: Range<usize>) {
        for y in rows {
            self.row_mut(y)[columns.clone()].fill(true);
        }
    }

    /// The number of pixels that are set.
    pub(super) fn count(&self) -> u64 {
        self.cells.iter().filter(|&&cell| cell).count() as u64
    }

    pub(super) fn transposed(&self, pass: &mut Pass) -> Result<Self, Interrupted> {
        // A block's rows and columns both stay in the cache.
        const BLOCK: usize = 32;
        let mut turned = Self::new(self.height, self.width);
        for top in (0..self.height).step_by(BLOCK) {
            for y in top..(top + BLOCK).min(self.height) {
                pass.row(y)?;
            }
            for left in (0..self.width).step_by(BLOCK) {
                for y in top..(top + BLOCK).min(self.height) {
                    for x in left..(left + BLOCK).min(self.width) {
                        turned.cells[x * self.height + y] = self.cells[y * self.width + x];
                    }
                }
            }
        }
        Ok(turned)
    }

    /// Morphological opening by a square: keeps the pixels that lie in a square of `side` set pixels.
    /// Everything thinner is removed, and everything thicker keeps its exact outline. (The opening of
    /// `imageproc` supports only odd sides, which is too coarse for walls of five pixels.)
    pub(super) fn opened(&self, side: usize, pass: &mut Pass) -> Result<Self, Interrupted> {
        let mut rows_of_squares = Self::new(self.width, self.height);
        let mut below = vec![0_usize; self.width];
        let mut deep = vec![false; self.width];
        for y in (0..self.height).rev() {
            pass.row((self.height - 1 - y) / 2)?;
            for ((&set, below), deep) in self.row(y).iter().zip(&mut below).zip(&mut deep) {
                *below = if set { *below + 1 } else { 0 };
                *deep = *below >= side;
            }
            let target = rows_of_squares.row_mut(y);
            for run in runs(&deep, true).filter(|run| run.len() >= side) {
                target[run].fill(true);
            }
        }
        let mut left = vec![0_usize; self.width];
        for y in 0..self.height {
            pass.row(self.height / 2 + y / 2)?;
            for (cell, left) in rows_of_squares.row_mut(y).iter_mut().zip(&mut left) {
                *left = if *cell { side } else { left.saturating_sub(1) };
                *cell = *left > 0;
            }
        }
        Ok(rows_of_squares)
    }
}

/// The maximal runs of `value` in a row, from left to right.
pub(super) fn runs(row: &[bool], value: bool) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + row[from..].iter().position(|&cell| cell == value)?;
        let end = row[start..]
            .iter()
            .position(|&cell| cell != value)
            .map_or(row.len(), |length| start + length);
        from = end;
        Some(start..end)
    })
}

/// Converts a number of pixels. A plan is far smaller than the range of the type.
pub(super) fn pixels(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
