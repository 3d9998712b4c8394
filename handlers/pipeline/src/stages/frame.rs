//! The frame that draughtsmen put around the sheet: paper between it and the house is no room.

use super::{
    mask::Mask,
    regions::{Region, Regions},
    report::{Interrupted, Pass},
};

/// A frame is no further from the picture's edge than this share of the side, in percent.
const FURTHEST_PERCENT: usize = 9;

/// A house covers at least this share of what is inside the frame, in percent. In less, a
/// building's outer wall around a core with rooms looks alike.
const LEAST_CERTAIN_PERCENT: usize = 50;

/// In less than this, what is inside is a core for certain.
const LEAST_PERCENT: usize = 20;

/// The rooms of a house cover at least this share of the rectangle around it, in percent.
const LEAST_ENCLOSED_PERCENT: usize = 55;

/// What may be a frame, and what would be the house in it.
pub(super) struct Frame {
    /// The walls without the frame.
    pub(super) without: Mask,
    outline: Region,
    /// The area inside the frame.
    inside: usize,
    /// The area of the rectangle around all other walls.
    house: usize,
}

/// Whether a frame is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Frame,
    OuterWall,
    /// It may be either.
    Unclear,
}

impl Frame {
    /// What goes around all other walls, close to the picture's edge.
    pub(super) fn of(walls: &Mask, pass: &mut Pass) -> Result<Option<Self>, Interrupted> {
        let size = walls.size();
        let frame = Self::around(walls, pass)?;
        Ok(frame.filter(|frame| is_at_edge(&frame.outline, size)))
    }

    /// What goes around all other walls without touching them.
    pub(super) fn around(walls: &Mask, pass: &mut Pass) -> Result<Option<Self>, Interrupted> {
        let regions = Regions::of(walls, true, pass)?;
        let largest = (0..regions.list.len()).max_by_key(|&index| area(&regions.list[index]));
        let Some(outer) = largest else {
            return Ok(None);
        };
        let frame = &regions.list[outer];
        let others = || (0..regions.list.len()).filter(|&index| index != outer);
        let is_around = others().all(|index| is_within(&regions.list[index], frame));
        let house = others()
            .map(|index| regions.list[index].clone())
            .reduce(|one, other| one.and(&other));
        let Some(house) = house.filter(|_| is_around) else {
            return Ok(None);
        };
        let mut without = walls.clone();
        regions.keep(&mut without, |index, _| index != outer);
        Ok(Some(Self {
            without,
            inside: area(frame),
            outline: frame.clone(),
            house: area(&house),
        }))
    }

    /// Given the area of the rooms that there are without it.
    pub(super) fn verdict(&self, rooms: usize) -> Verdict {
        let is_house = 100 * rooms >= LEAST_ENCLOSED_PERCENT * self.house;
        let covers = |percent| 100 * self.house >= percent * self.inside;
        if !is_house || !covers(LEAST_PERCENT) {
            Verdict::OuterWall
        } else if covers(LEAST_CERTAIN_PERCENT) {
            Verdict::Frame
        } else {
            Verdict::Unclear
        }
    }
}

/// The area of the rectangle around it.
fn area(region: &Region) -> usize {
    region.columns.len() * region.rows.len()
}

fn is_within(inner: &Region, outer: &Region) -> bool {
    outer.columns.start < inner.columns.start
        && outer.rows.start < inner.rows.start
        && inner.columns.end < outer.columns.end
        && inner.rows.end < outer.rows.end
}

fn is_at_edge(region: &Region, (width, height): (usize, usize)) -> bool {
    let is_close = |distance: usize, side: usize| 100 * distance <= FURTHEST_PERCENT * side;
    is_close(region.columns.start, width)
        && is_close(width - region.columns.end, width)
        && is_close(region.rows.start, height)
        && is_close(height - region.rows.end, height)
}
