//! `stage_2`: finds the rooms, which are connected regions of floor.

use serde::{Deserialize, Serialize};

use super::{
    frame::{Frame, Verdict},
    gaps::{self, Limits},
    ink, lines,
    mask::Mask,
    plan::FloorPlan,
    plausibility::{Findings, Implausible},
    reading::long_ones,
    regions::{Region, Regions},
    report::{Interrupted, Passes, ProgressCallback},
    sheet::{Preparation, Sheet},
    straighten::Straightening,
    thickness::WallThickness,
    walls::Walls,
};

/// Plans with at most this many rooms are checked for thin lines: a frame may enclose the rooms.
const FEW_ROOMS: usize = 3;

/// Maximum length of thin lines, in percent of the length of walls, if few rooms are found. Furniture and
/// text have about 50 % in a house with many rooms, and up to 200 % in a single small room. A house with
/// hollow walls in a frame has 300 % and more.
const MAX_LINES_PERCENT: u64 = 250;

/// The same if no rooms are found; the lines are then the likelier cause.
const MAX_LINES_PERCENT_WITHOUT_ROOMS: u64 = 120;

/// A room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The number of the room, from 1: from top to bottom, then from left to right.
    pub id: u32,
    /// The area of the floor, in pixels.
    pub area: u64,
    /// The smallest rectangle around the floor.
    pub bounding_box: BoundingBox,
}

/// A rectangle in pixels of the input image, after its Exif orientation.
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

/// No rooms were found.
#[derive(Debug, thiserror::Error)]
pub enum RoomsError {
    /// The walls enclose no room.
    #[error(
        "{segments} walls were found, but they enclose no room: openings wider than {widest_door} \
         pixels count as open; send a plan whose outer walls are closed but for doors and windows"
    )]
    NothingEnclosed {
        /// Number of straight wall segments.
        segments: u32,
        /// The maximum width of a door, in pixels.
        widest_door: usize,
    },
    /// The rooms are not plausible.
    #[error(transparent)]
    Implausible(#[from] Implausible),
    /// The stage was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl RoomsError {
    /// The error code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingEnclosed { .. } => "no_rooms",
            Self::Implausible(implausible) => implausible.code(),
            Self::Interrupted(_) => "interrupted",
        }
    }
}

/// Finds the rooms of a plan between the walls that [`walls::find`](super::walls::find) has found. Their
/// coordinates are those of the input image, even if it was straightened.
pub fn find(
    plan: &FloorPlan,
    walls: &Walls,
    report: &mut ProgressCallback<'_>,
) -> Result<Vec<Room>, RoomsError> {
    let mut passes = Passes::new(report);
    let thickness: WallThickness = walls.thickness.into();
    let limits = Limits::new(thickness);
    let (sheet, mut mask) = walls.trace(plan, "Tracing walls...", 30, &mut passes)?;
    let size = mask.size();
    let is_ink = |x, y| walls.is_ink(&sheet, x, y);

    // Frames may be nested.
    while let Some(frame) = Frame::of(&mask, &mut passes.next("Looking for a frame...", 32, size))?
    {
        let message = "Closing door openings...";
        let closed = gaps::close(
            frame.without.clone(),
            &limits,
            is_ink,
            (message, 50),
            &mut passes,
        )?;
        match frame.verdict(enclosed(&closed, thickness, (message, 50), &mut passes)?) {
            Verdict::Frame => mask = frame.without,
            Verdict::OuterWall => break,
            Verdict::Unclear => return Err(Implausible::Frame.into()),
        }
    }

    let mut closed = gaps::close(
        mask,
        &limits,
        is_ink,
        ("Closing door openings...", 80),
        &mut passes,
    )?;

    let message = "Removing furniture...";
    let standing = Regions::of(&closed, true, &mut passes.next(message, 86, size))?;
    let is_long = long_ones(&standing, thickness);
    standing.keep(&mut closed, |_, region| is_long(region));

    // A frame that noise has interrupted is closed only now.
    while let Some(frame) = Frame::of(&closed, &mut passes.next(message, 87, size))? {
        match frame.verdict(enclosed(
            &frame.without,
            thickness,
            (message, 88),
            &mut passes,
        )?) {
            Verdict::Frame => closed = frame.without,
            Verdict::OuterWall => break,
            Verdict::Unclear => return Err(Implausible::Frame.into()),
        }
    }

    let outcome = measure((plan, &sheet), (walls, thickness), &closed, &mut passes);
    let is_doubtful = match &outcome {
        Ok(rooms) => rooms.len() <= FEW_ROOMS,
        Err(RoomsError::NothingEnclosed { .. }) => true,
        Err(RoomsError::Implausible(implausible)) => matches!(
            implausible,
            Implausible::OpenRoom { .. } | Implausible::LittleEnclosed { .. }
        ),
        Err(RoomsError::Interrupted(_)) => false,
    };
    if is_doubtful {
        let message = "Checking lines...";
        // The median filter would remove hairlines.
        let preparation = Preparation {
            despeckled: walls.preparation.despeckled.min(1),
            ..walls.preparation
        };
        let sheet = Sheet::prepare(plan, preparation, (message, 100), &mut passes)?;
        let lines = ink::all_drawn(&sheet.sharp, &mut passes.next(message, 100, size))?;
        let percent = lines::percent_of_walls(lines, &closed, (message, 100), &mut passes)?;
        let most = if outcome.is_ok() {
            MAX_LINES_PERCENT
        } else {
            MAX_LINES_PERCENT_WITHOUT_ROOMS
        };
        if percent > most {
            return Err(Implausible::ThinLines { percent }.into());
        }
    }
    outcome
}

/// The total area of the rooms. The openings of the walls are closed.
fn enclosed(
    closed: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<usize, Interrupted> {
    let size = closed.size();
    let floor = Regions::of(closed, false, &mut passes.next(message, until, size))?;
    let is_room = |region: &&Region| region.is_inside(size) && is_room(region, thickness);
    Ok(floor
        .list
        .iter()
        .filter(is_room)
        .map(|region| region.area)
        .sum())
}

/// Measures and checks the rooms. The openings of the walls are closed.
fn measure(
    (plan, sheet): (&FloorPlan, &Sheet),
    (walls, thickness): (&Walls, WallThickness),
    closed: &Mask,
    passes: &mut Passes,
) -> Result<Vec<Room>, RoomsError> {
    let size = closed.size();
    let message = "Measuring rooms...";
    let floor = Regions::of(closed, false, &mut passes.next(message, 90, size))?;
    let mut rooms: Vec<usize> = (0..floor.list.len())
        .filter(|&index| {
            let region = &floor.list[index];
            region.is_inside(size) && is_room(region, thickness)
        })
        .collect();
    if rooms.is_empty() {
        return Err(RoomsError::NothingEnclosed {
            segments: walls.segments,
            widest_door: thickness.widest_door(),
        });
    }
    sort_for_reading(&mut rooms, &floor, thickness.thickest);
    let findings = Findings {
        walls: closed,
        floor: &floor,
        rooms: &rooms,
        thickness,
        straightening: &sheet.straightening,
        plan: plan.size(),
    };
    if let Some(implausible) = findings.check(("Checking rooms...", 100), passes)? {
        return Err(implausible.into());
    }
    let boxes = boxes_in_plan(&floor, &sheet.straightening, plan.size());
    Ok((1..)
        .zip(rooms)
        .map(|(id, room)| Room {
            id,
            area: floor.list[room].area as u64,
            bounding_box: boxes[room],
        })
        .collect())
}

/// The bounding box of each region, in pixels of the input image.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places in a picture"
)]
fn boxes_in_plan(
    floor: &Regions,
    straightening: &Straightening,
    (width, height): (u32, u32),
) -> Vec<BoundingBox> {
    const NOTHING: [f64; 4] = [f64::MAX, f64::MAX, 0.0, 0.0];
    let mut edges = vec![NOTHING; floor.list.len()];
    for (region, row, columns) in floor.runs() {
        let [left, top, right, bottom] = &mut edges[region];
        for x in [columns.start, columns.end] {
            for y in [row, row + 1] {
                let (x, y) = straightening.to_plan((x as f64, y as f64));
                (*left, *top) = (left.min(x), top.min(y));
                (*right, *bottom) = (right.max(x), bottom.max(y));
            }
        }
    }
    let edges = edges.into_iter().map(|[left, top, right, bottom]| {
        let within = |edge: f64, side: u32| edge.round().clamp(0.0, side.into()) as u32;
        let (x, y) = (within(left, width), within(top, height));
        BoundingBox {
            x,
            y,
            width: within(right, width).saturating_sub(x),
            height: within(bottom, height).saturating_sub(y),
        }
    });
    edges.collect()
}

/// Whether a region is large and wide enough for a room. Shafts, and slits inside walls that are drawn as
/// two lines, are not.
fn is_room(region: &Region, thickness: WallThickness) -> bool {
    let typical = thickness.typical;
    region.area >= 10 * typical * typical && region.area >= 2 * typical * region.length()
}

/// Sorts from top to bottom, then from left to right. Rooms whose tops differ by less than the thickness of
/// a wall count as one row.
fn sort_for_reading(rooms: &mut [usize], floor: &Regions, wall: usize) {
    let top = |room: usize| floor.list[room].rows.start;
    let left = |room: usize| floor.list[room].columns.start;
    rooms.sort_by_key(|&room| (top(room), left(room)));
    for beside in rooms.chunk_by_mut(|&one, &next| top(next) - top(one) < wall) {
        beside.sort_by_key(|&room| left(room));
    }
}
