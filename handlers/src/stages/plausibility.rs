//! Checks that the rooms are plausible.
//!
//! An image that the stages cannot interpret should end in an error that names the cause, not in wrong
//! rooms. Each check detects one cause:
//!
//! | cause | symptom | module |
//! | --- | --- | --- |
//! | a door to the outside was not closed | floor with walls on all sides belongs to no room | `enclosure` |
//! | the edge of the image cuts the house | floor at the edge has walls on three sides | `enclosure` |
//! | a door between two rooms was not closed | a room has a neck as short as a wall | `necks` |
//! | gaps between lines are taken for rooms | many rooms are long and narrow | here |
//! | a frame is taken for walls, and walls for furniture | there are more thin lines than walls | `lines` |
//! | a few lines are taken for a house | the rooms are a small part of it | here |

use super::{
    enclosure::{self, Leak, Side},
    frame::Frame,
    mask::Mask,
    necks,
    regions::{Region, Regions},
    report::{Interrupted, Passes},
    straighten::Straightening,
    thickness::WallThickness,
};

/// A room is probably a gap between two lines if it is narrower than this many times a wall, and at least
/// [`SLIT_LENGTH`] times as long as wide.
const SLIT_WIDTH: usize = 6;
const SLIT_LENGTH: usize = 4;

/// Minimum share of the rectangle around the walls that rooms cover, in percent.
const MIN_ENCLOSED_PERCENT: usize = 20;

/// The rooms are not plausible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// A room leads to the outside.
    #[error(
        "the room around ({x}, {y}) is open to the outside, so its size is unknown: openings wider \
         than {widest_door} pixels count as open; send a plan whose outer walls are closed but for \
         doors and windows"
    )]
    OpenRoom {
        /// Column of a pixel in it.
        x: u32,
        /// Row of a pixel in it.
        y: u32,
        /// The maximum width of a door, in pixels.
        widest_door: usize,
    },
    /// The edge of the image cuts a room.
    #[error(
        "the image's {side} edge cuts the room around ({x}, {y}); send the whole plan with its \
         outer walls and some paper around them"
    )]
    Cut {
        /// The edge.
        side: Side,
        /// Column of a pixel in the room.
        x: u32,
        /// Row of a pixel in the room.
        y: u32,
    },
    /// Two rooms count as one.
    #[error(
        "two rooms are joined by an opening at ({x}, {y}) that is neither closed like a door nor as \
         wide as an open room; send the plan at a higher resolution, with straight jambs"
    )]
    Joined {
        /// Column of the opening.
        x: u32,
        /// Row of the opening.
        y: u32,
    },
    /// Gaps between lines count as rooms.
    #[error(
        "{narrow} of {rooms} rooms are as narrow as the gap between two lines of a wall; send the \
         plan with filled walls, darker than floors and text"
    )]
    Narrow {
        /// Rooms that are too narrow.
        narrow: usize,
        /// All rooms.
        rooms: usize,
    },
    /// Rooms cover only a small part of the house.
    #[error(
        "the rooms found cover only {percent} % of the walls' rectangle; send one plan whose walls \
         are filled and closed but for doors and windows"
    )]
    LittleEnclosed {
        /// Share of the rectangle around all walls.
        percent: usize,
    },
    /// There are more thin lines than walls.
    #[error(
        "there are more thin lines than walls ({percent} % of their length), so walls may be among \
         them; send the plan with filled walls, darker than floors and text, without hatching"
    )]
    ThinLines {
        /// Length of the lines, in percent of the length of walls.
        percent: u64,
    },
    /// The outermost line may be a frame or an outer wall.
    #[error(
        "the outermost line is the sheet's frame or an outer wall, and nothing says which; crop the \
         image to the inside of the frame, or to the outer walls with some paper around them"
    )]
    Frame,
}

impl Implausible {
    /// The error code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OpenRoom { .. } => "room_open",
            Self::Cut { .. } => "plan_cut",
            Self::Joined { .. } => "rooms_joined",
            Self::Narrow { .. } | Self::ThinLines { .. } => "hollow_walls",
            Self::LittleEnclosed { .. } => "rooms_missing",
            Self::Frame => "sheet_frame",
        }
    }
}

/// The walls and rooms to check.
pub(super) struct Findings<'f> {
    /// Walls with closed openings.
    pub(super) walls: &'f Mask,
    /// Everything else.
    pub(super) floor: &'f Regions,
    /// Which regions of the floor are rooms.
    pub(super) rooms: &'f [usize],
    pub(super) thickness: WallThickness,
    pub(super) straightening: &'f Straightening,
    /// The plan's size, in pixels.
    pub(super) plan: (u32, u32),
}

impl Findings<'_> {
    /// Returns the first reason against the rooms.
    pub(super) fn check(
        &self,
        (message, until): (&str, u8),
        passes: &mut Passes,
    ) -> Result<Option<Implausible>, Interrupted> {
        if let Some(narrow) = self.narrow() {
            return Ok(Some(narrow));
        }
        let size = self.walls.size();
        let mut pass = passes.next(message, until, size);
        let reaches = |side| self.reaches(side);
        let least = self.least_room();
        if let Some(leak) = enclosure::leak(self.walls, self.floor, least, reaches, &mut pass)? {
            return Ok(Some(self.refusal(leak)));
        }
        // Walls inside another wall that does not touch them may be a house in a frame. Floor that leaks
        // out of that house does not reach the edge of the image.
        if let Some(island) = Frame::around(self.walls, &mut passes.next(message, until, size))? {
            let mut pass = passes.next(message, until, size);
            let floor = Regions::of(&island.without, false, &mut pass)?;
            let mut pass = passes.next(message, until, size);
            let leak = enclosure::leak(&island.without, &floor, least, |_| false, &mut pass)?;
            if let Some(leak) = leak {
                return Ok(Some(self.refusal(leak)));
            }
        }
        let mut floor = Mask::new(size.0, size.1);
        self.floor
            .fill(&mut floor, |region| self.rooms.contains(&region));
        if let Some(neck) = necks::find(&floor, self.thickness, (message, until), passes)? {
            let (x, y) = self.in_plan((neck.columns.start, neck.rows.start));
            return Ok(Some(Implausible::Joined { x, y }));
        }
        Ok(self.little_enclosed())
    }

    fn refusal(&self, leak: Leak) -> Implausible {
        let (x, y) = self.in_plan(leak.at);
        match leak.cut {
            Some(side) => Implausible::Cut { side, x, y },
            None => Implausible::OpenRoom {
                x,
                y,
                widest_door: self.thickness.widest_door(),
            },
        }
    }

    fn regions(&self) -> impl Iterator<Item = &Region> {
        self.rooms.iter().map(|&room| &self.floor.list[room])
    }

    /// The minimum area of a missing room, by the smallest room of the plan.
    fn least_room(&self) -> usize {
        let smallest = self.regions().map(|room| room.area).min().unwrap_or(0);
        let typical = self.thickness.typical;
        (smallest / 3).max(20 * typical * typical)
    }

    fn narrow(&self) -> Option<Implausible> {
        let typical = self.thickness.typical;
        let is_slit = |room: &&Region| {
            let width = room.area / room.length().max(1);
            width < SLIT_WIDTH * typical && room.length() > SLIT_LENGTH * width
        };
        let (narrow, rooms) = (self.regions().filter(is_slit).count(), self.rooms.len());
        (narrow >= 3 && 3 * narrow > rooms).then_some(Implausible::Narrow { narrow, rooms })
    }

    fn little_enclosed(&self) -> Option<Implausible> {
        let (width, height) = self.walls.size();
        let walls = (0..height).filter_map(|y| {
            let row = self.walls.row(y);
            let first = row.iter().position(|&wall| wall)?;
            Some((first, row.iter().rposition(|&wall| wall)?, y))
        });
        let (left, right, top, bottom) = walls.fold(
            (width, 0, height, 0),
            |(left, right, top, bottom), (first, last, y)| {
                (left.min(first), right.max(last), top.min(y), bottom.max(y))
            },
        );
        let around = right.saturating_sub(left) * bottom.saturating_sub(top);
        let rooms: usize = self.regions().map(|room| room.area).sum();
        let percent = 100 * rooms / around.max(1);
        (percent < MIN_ENCLOSED_PERCENT).then_some(Implausible::LittleEnclosed { percent })
    }

    /// Whether walls reach a side of the image.
    fn reaches(&self, side: Side) -> bool {
        const CLOSE: f64 = 3.0;
        let (width, height) = self.walls.size();
        let is_close = |x: usize, y: usize| {
            let (x, y) = self.straightening.to_plan(centre((x, y)));
            let (right, bottom) = (f64::from(self.plan.0), f64::from(self.plan.1));
            match side {
                Side::Left => x < CLOSE,
                Side::Right => x > right - CLOSE,
                Side::Top => y < CLOSE,
                Side::Bottom => y > bottom - CLOSE,
            }
        };
        match side {
            Side::Left => (0..height).any(|y| {
                let first = self.walls.row(y).iter().position(|&wall| wall);
                first.is_some_and(|x| is_close(x, y))
            }),
            Side::Right => (0..height).any(|y| {
                let last = self.walls.row(y).iter().rposition(|&wall| wall);
                last.is_some_and(|x| is_close(x, y))
            }),
            Side::Top => (0..width).any(|x| {
                let first = (0..height).find(|&y| self.walls.get(x, y));
                first.is_some_and(|y| is_close(x, y))
            }),
            Side::Bottom => (0..width).any(|x| {
                let last = (0..height).rev().find(|&y| self.walls.get(x, y));
                last.is_some_and(|y| is_close(x, y))
            }),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in the plan"
    )]
    fn in_plan(&self, at: (usize, usize)) -> (u32, u32) {
        let (x, y) = self.straightening.to_plan(centre(at));
        (x.max(0.0) as u32, y.max(0.0) as u32)
    }
}

/// The centre of a pixel.
#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn centre((x, y): (usize, usize)) -> (f64, f64) {
    (x as f64 + 0.5, y as f64 + 0.5)
}
