//! Detects the frame around a sheet. The paper between frame and house is not a room.

use super::{
    mask::Mask,
    regions::{Region, Regions},
    report::{Interrupted, Pass},
};

/// Maximum distance of a frame from the edge of the image, in percent of the side.
const FURTHEST_PERCENT: usize = 9;

/// Minimum share of the frame's inside that a house covers, in percent. Below it, the outer wall of a building
/// around a core with rooms looks the same.
const MIN_CERTAIN_PERCENT: usize = 50;

/// Below this share, in percent, the inside is certainly such a core.
const MIN_PERCENT: usize = 20;

/// Minimum share of the rectangle around a house that its rooms cover, in percent.
const MIN_ENCLOSED_PERCENT: usize = 55;

/// A possible frame, and the house in it.
pub(super) struct Frame {
    /// The walls without the frame.
    pub(super) without: Mask,
    outline: Region,
    /// The area inside the frame.
    inside: usize,
    /// The area of the rectangle around all other walls.
    house: usize,
}

/// The classification of a possible frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Frame,
    OuterWall,
    /// It may be a frame or an outer wall.
    Unclear,
}

impl Frame {
    /// The region around all other walls, if it is close to the edge of the image.
    pub(super) fn of(walls: &Mask, pass: &mut Pass) -> Result<Option<Self>, Interrupted> {
        let size = walls.size();
        let frame = Self::around(walls, pass)?;
        Ok(frame.filter(|frame| is_at_edge(&frame.outline, size)))
    }

    /// The region around all other walls that does not touch them.
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

    /// Classifies the frame by the area of the rooms inside it.
    pub(super) fn verdict(&self, rooms: usize) -> Verdict {
        let is_house = 100 * rooms >= MIN_ENCLOSED_PERCENT * self.house;
        let covers = |percent| 100 * self.house >= percent * self.inside;
        if !is_house || !covers(MIN_PERCENT) {
            Verdict::OuterWall
        } else if covers(MIN_CERTAIN_PERCENT) {
            Verdict::Frame
        } else {
            Verdict::Unclear
        }
    }
}

/// The area of the bounding box.
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
