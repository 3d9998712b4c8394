//! Closes the openings of doors and windows, so that each room is a separate region.
//!
//! An opening is a gap between two ends of walls, or between an end and the side of another wall: a block
//! of rows in which the floor is bounded by walls at the same two columns. The block is at most as high as
//! a wall is thick, with more floor along both of its long sides. The blocks of corridors and rooms are
//! higher.
//!
//! One case is ambiguous. Between two adjacent doors there is a short piece of wall; from its side to the
//! wall across a narrow corridor, there is such a block too. So the first rounds close only gaps at which a
//! wall ends lengthwise, shorter ones first. After that, the false block is part of the corridor's block.

use std::ops::Range;

use super::{
    mask::{Mask, runs},
    report::{Interrupted, Pass, Passes},
    thickness::WallThickness,
};

/// Number of search rounds for each certainty. Closing one gap can make another one detectable.
const ROUNDS: usize = 3;

/// Approximate number of pixels that are read to classify a gap.
const PIXELS_PER_GAP: usize = 4096;

/// A gap that runs across a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap {
    columns: Range<usize>,
    rows: Range<usize>,
}

/// The sizes of gaps that can be openings.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    thickness: WallThickness,
    /// Maximum width of a door, in pixels.
    pub(super) widest: usize,
    /// Maximum width of a window, in pixels: an opening with ink all the way across.
    widest_drawn: usize,
    shallowest: usize,
    deepest: usize,
}

impl Limits {
    pub(super) fn new(thickness: WallThickness) -> Self {
        let widest = thickness.widest_door();
        Self {
            thickness,
            widest,
            widest_drawn: 4 * widest,
            shallowest: thickness.thinnest.saturating_sub(1).max(2),
            deepest: thickness.thickest + thickness.thickest / 4 + 2,
        }
    }

    /// The minimum length of the wall behind one of the jambs, for the gap to be in that wall.
    fn least_length(&self, gap: &Gap, certainty: Certainty) -> usize {
        let thickness = self.thickness.thickest.max(gap.rows.len());
        match certainty {
            Certainty::LongWall => 3 * thickness,
            Certainty::ShortWall => thickness * 8 / 5,
            Certainty::Stub => (self.thickness.typical / 2).max(3),
        }
    }
}

/// The certainty that a gap is an opening, by the length of the wall behind its better jamb.
#[derive(Clone, Copy)]
enum Certainty {
    LongWall,
    ShortWall,
    Stub,
}

impl Certainty {
    const ALL: [Self; 3] = [Self::LongWall, Self::ShortWall, Self::Stub];
}

/// The walls while their openings are closed.
struct Work {
    /// The walls and the closed openings.
    walls: Mask,
    /// The transpose of `walls`, so that vertical gaps can be found as horizontal ones.
    turned: Mask,
}

/// Closes the openings in walls. `is_ink` returns whether the pixel at a column and row is ink, of a wall or
/// not.
pub(super) fn close(
    walls: Mask,
    limits: &Limits,
    is_ink: impl Fn(usize, usize) -> bool + Copy,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Mask, Interrupted> {
    let mut steps = passes.steps_until(until, 1 + 2 * ROUNDS * Certainty::ALL.len());
    let mut next = || steps.next().unwrap_or(until);
    let turned = walls.transposed(&mut passes.next(message, next(), walls.size()))?;
    let mut work = Work { walls, turned };
    for certainty in Certainty::ALL {
        for _ in 0..ROUNDS {
            let mut now = until;
            let mut found = Vec::new();
            for down in [false, true] {
                let mask = work.seen(down);
                now = next();
                let mut pass = passes.next(message, now, mask.size());
                let gaps = find(mask, limits, &mut pass)?;
                found.extend(gaps.into_iter().map(|gap| (gap, down)));
            }
            found.sort_by_key(|(gap, _)| gap.columns.len());
            let mut closed = 0;
            let mut pass = passes.next(message, now, (PIXELS_PER_GAP, found.len()));
            for (index, (gap, down)) in found.into_iter().enumerate() {
                pass.row(index)?;
                let mask = work.seen(down);
                let is_ink = |x, y| if down { is_ink(y, x) } else { is_ink(x, y) };
                // Openings that were closed since may have changed the gap.
                if let Some(gap) = Gap::around(mask, gap.middle(), limits)
                    && gap.is_opening(mask, limits, certainty)
                    && (gap.columns.len() <= limits.widest || gap.is_drawn_across(is_ink))
                {
                    work.fill(&gap, down);
                    closed += 1;
                }
            }
            if closed == 0 {
                break;
            }
        }
    }
    Ok(work.walls)
}

impl Work {
    fn seen(&self, down: bool) -> &Mask {
        if down { &self.turned } else { &self.walls }
    }

    fn fill(&mut self, gap: &Gap, down: bool) {
        let (one, other) = if down {
            (&mut self.turned, &mut self.walls)
        } else {
            (&mut self.walls, &mut self.turned)
        };
        one.fill(gap.columns.clone(), gap.rows.clone());
        other.fill(gap.rows.clone(), gap.columns.clone());
    }
}

/// The gaps that run across a mask and are at most as high as a wall is thick.
fn find(mask: &Mask, limits: &Limits, pass: &mut Pass) -> Result<Vec<Gap>, Interrupted> {
    let mut found = Vec::new();
    // Gaps that reach the previous row, from left to right, with their columns in that row.
    let mut open: Vec<(Range<usize>, Gap)> = Vec::new();
    for y in 0..mask.height() {
        pass.row(y)?;
        let mut reaching: Vec<(Range<usize>, Gap)> = Vec::new();
        let mut above = open.drain(..).peekable();
        for run in runs(mask.row(y), false).filter(|run| limits.may_cross(mask, run)) {
            let mut gap = None;
            while let Some((columns, earlier)) =
                above.next_if(|(columns, _)| columns.start <= run.start + limits.tolerance())
            {
                if gap.is_none() && limits.is_same(&columns, &run) {
                    gap = Some(earlier);
                } else {
                    found.push(earlier);
                }
            }
            let mut gap = gap.unwrap_or_else(|| Gap {
                columns: run.clone(),
                rows: y..y,
            });
            gap.add(&run);
            reaching.push((run, gap));
        }
        found.extend(above.map(|(_, gap)| gap));
        open = reaching;
    }
    found.extend(open.into_iter().map(|(_, gap)| gap));
    found.retain(|gap| (limits.shallowest..=limits.deepest).contains(&gap.rows.len()));
    Ok(found)
}

impl Limits {
    fn tolerance(&self) -> usize {
        self.thickness.tolerance()
    }

    /// Whether two runs in adjacent rows belong to one gap.
    fn is_same(&self, one: &Range<usize>, other: &Range<usize>) -> bool {
        one.start.abs_diff(other.start) <= self.tolerance()
            && one.end.abs_diff(other.end) <= self.tolerance()
    }

    /// Whether a run of floor can be part of an opening: walls at both ends, not too far apart.
    fn may_cross(&self, mask: &Mask, run: &Range<usize>) -> bool {
        run.start > 0 && run.end < mask.width() && run.len() <= self.widest_drawn
    }
}

impl Gap {
    /// The gap around a pixel, if its height can be the thickness of a wall.
    fn around(mask: &Mask, (x, y): (usize, usize), limits: &Limits) -> Option<Self> {
        let first = run_around(mask, x, y).filter(|run| limits.may_cross(mask, run))?;
        let mut gap = Self {
            columns: first.clone(),
            rows: y..y + 1,
        };
        let mut last = first.clone();
        for row in (0..y).rev() {
            match run_around(mask, x, row).filter(|run| limits.is_same(run, &last)) {
                Some(run) if gap.rows.len() <= limits.deepest => {
                    gap.rows.start = row;
                    gap.add_columns(&run);
                    last = run;
                }
                _ => break,
            }
        }
        last = first;
        for row in y + 1..mask.height() {
            match run_around(mask, x, row).filter(|run| limits.is_same(run, &last)) {
                Some(run) if gap.rows.len() <= limits.deepest => {
                    gap.add(&run);
                    last = run;
                }
                _ => break,
            }
        }
        (limits.shallowest..=limits.deepest)
            .contains(&gap.rows.len())
            .then_some(gap)
    }

    fn add(&mut self, run: &Range<usize>) {
        self.rows.end += 1;
        self.add_columns(run);
    }

    fn add_columns(&mut self, run: &Range<usize>) {
        self.columns.start = self.columns.start.min(run.start);
        self.columns.end = self.columns.end.max(run.end);
    }

    fn middle(&self) -> (usize, usize) {
        (
            usize::midpoint(self.columns.start, self.columns.end),
            usize::midpoint(self.rows.start, self.rows.end),
        )
    }

    /// The rows above and below the gap, beyond the tolerance. None outside of the image.
    fn beside(&self, mask: &Mask, limits: &Limits) -> [Option<usize>; 2] {
        let distance = limits.tolerance();
        let below = self.rows.end + distance;
        [
            self.rows.start.checked_sub(distance + 1),
            (below < mask.height()).then_some(below),
        ]
    }

    /// Whether the gap connects floor with floor and is in a wall that continues behind a jamb.
    fn is_opening(&self, mask: &Mask, limits: &Limits, certainty: Certainty) -> bool {
        let is_open = |row: usize| {
            let row = &mask.row(row)[self.columns.clone()];
            let floor = row.iter().filter(|&&wall| !wall).count();
            2 * floor >= row.len()
        };
        let beside = self.beside(mask, limits);
        let least = limits.least_length(self, certainty);
        let is_long = |behind: &mut dyn Iterator<Item = usize>| {
            self.wall_length(mask, beside, behind, least) >= least
        };
        beside.into_iter().flatten().all(is_open)
            && (is_long(&mut (0..self.columns.start).rev())
                || is_long(&mut (self.columns.end..mask.width())))
    }

    /// The number of columns behind a jamb in which the wall is as thick as the gap is high, at most `most`.
    /// Where another wall joins, the wall is thicker and may continue behind that.
    fn wall_length(
        &self,
        mask: &Mask,
        beside: [Option<usize>; 2],
        behind: &mut dyn Iterator<Item = usize>,
        most: usize,
    ) -> usize {
        let middle = self.middle().1;
        behind
            .take(2 * most)
            .take_while(|&x| mask.get(x, middle))
            .filter(|&x| beside.into_iter().flatten().all(|y| !mask.get(x, y)))
            .count()
            .min(most)
    }

    /// Whether nearly all columns of the gap have ink.
    fn is_drawn_across(&self, is_ink: impl Fn(usize, usize) -> bool) -> bool {
        let drawn = self
            .columns
            .clone()
            .filter(|&x| self.rows.clone().any(|y| is_ink(x, y)))
            .count();
        20 * drawn >= 19 * self.columns.len()
    }
}

/// The run of floor around a pixel.
fn run_around(mask: &Mask, x: usize, y: usize) -> Option<Range<usize>> {
    let row = mask.row(y);
    if row[x] {
        return None;
    }
    let start = row[..x].iter().rposition(|&wall| wall).map_or(0, |x| x + 1);
    let end = row[x..]
        .iter()
        .position(|&wall| wall)
        .map_or(row.len(), |length| x + length);
    Some(start..end)
}
