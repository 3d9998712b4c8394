//! `stage_2`: which floor belongs together.

use serde::{Deserialize, Serialize};

use super::{
    gaps::{self, Limits},
    plan::FloorPlan,
    regions::{Region, Regions},
    report::{Interrupted, Passes, Report},
    thickness::WallThickness,
    walls::{Walls, long_ones, pixels},
};

/// A room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Its number, from 1: from top to bottom, then from left to right.
    pub id: u32,
    /// The floor inside the walls, in pixels.
    pub area: u64,
    /// The smallest rectangle around the floor.
    pub bounding_box: BoundingBox,
}

/// A rectangle in pixels of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Leftmost column.
    pub x: u32,
    /// Topmost row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Why no rooms were found.
#[derive(Debug, thiserror::Error)]
pub enum RoomsError {
    /// Walls enclose nothing.
    #[error(
        "{segments} walls were found, but they enclose no room: openings wider than {widest_door} \
         pixels count as open; send a plan whose outer walls are closed but for doors and windows"
    )]
    NothingEnclosed {
        /// Straight pieces of wall.
        segments: u32,
        /// The widest gap that is taken for a door, in pixels.
        widest_door: usize,
    },
    /// The stage was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl RoomsError {
    /// A word that programs can look at.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingEnclosed { .. } => "no_rooms",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

/// Finds the rooms of a plan between the walls that [`walls::find`](super::walls::find) has found
/// in it.
pub fn find(
    plan: &FloorPlan,
    walls: &Walls,
    report: &mut Report<'_>,
) -> Result<Vec<Room>, RoomsError> {
    let mut passes = Passes::new(report);
    let thickness: WallThickness = walls.thickness.into();
    let limits = Limits::new(thickness);
    let mask = walls.trace(plan, "Tracing walls...", 30, &mut passes)?;
    let size = mask.size();
    let is_ink = |x, y| walls.is_ink(plan, x, y);
    let mut closed = gaps::close(
        mask,
        &limits,
        is_ink,
        ("Closing door openings...", 80),
        &mut passes,
    )?;

    let message = "Removing furniture...";
    let standing = Regions::of(&closed, true, &mut passes.next(message, 88, size))?;
    let is_long = long_ones(&standing, thickness);
    standing.keep(&mut closed, |_, region| is_long(region));

    let message = "Measuring rooms...";
    let floor = Regions::of(&closed, false, &mut passes.next(message, 100, size))?;
    let mut rooms: Vec<&Region> = floor
        .list
        .iter()
        .filter(|region| is_inside(region, size) && is_room(region, thickness))
        .collect();
    if rooms.is_empty() {
        return Err(RoomsError::NothingEnclosed {
            segments: walls.segments,
            widest_door: limits.widest,
        });
    }
    sort_for_reading(&mut rooms, thickness.thickest);
    Ok((1..)
        .zip(rooms)
        .map(|(id, region)| Room::new(id, region))
        .collect())
}

impl Room {
    fn new(id: u32, region: &Region) -> Self {
        Self {
            id,
            area: region.area as u64,
            bounding_box: BoundingBox {
                x: pixels(region.columns.start),
                y: pixels(region.rows.start),
                width: pixels(region.columns.len()),
                height: pixels(region.rows.len()),
            },
        }
    }
}

/// What reaches the image's edge is around the building.
fn is_inside(region: &Region, (width, height): (usize, usize)) -> bool {
    region.columns.start > 0
        && region.rows.start > 0
        && region.columns.end < width
        && region.rows.end < height
}

/// Shafts, and the slits inside of walls drawn as two lines, are no rooms.
fn is_room(region: &Region, thickness: WallThickness) -> bool {
    let typical = thickness.typical;
    region.area >= 10 * typical * typical && region.area >= 2 * typical * region.length()
}

/// From top to bottom, then from left to right; rooms whose tops differ by less than a wall are
/// beside each other.
fn sort_for_reading(rooms: &mut [&Region], wall: usize) {
    rooms.sort_by_key(|room| (room.rows.start, room.columns.start));
    for beside in rooms.chunk_by_mut(|one, next| next.rows.start - one.rows.start < wall) {
        beside.sort_by_key(|room| room.columns.start);
    }
}
