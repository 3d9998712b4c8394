//! Finds floor that is open to the outside although it has walls on all sides: a room whose door was not
//! closed, or that the edge of the image cuts.

use super::{
    mask::Mask,
    regions::{Region, Regions},
    report::{Interrupted, Pass},
};

/// Minimum share of a region's floor that has walls on all sides, in percent, for the region to be a room
/// with an opening. A terrace with the house on three sides has no such floor.
const MIN_CLOSED_IN: usize = 12;

/// A side of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first columns.
    Left,
    /// The last columns.
    Right,
    /// The first rows.
    Top,
    /// The last rows.
    Bottom,
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Top => "top",
            Self::Bottom => "bottom",
        })
    }
}

/// Floor that should belong to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leak {
    /// A pixel near its middle.
    pub(super) at: (usize, usize),
    /// The side of the image that cuts the room. None if the wall has an opening.
    pub(super) cut: Option<Side>,
}

/// For each row and each column, the first and the last pixel of wall.
struct Extent {
    rows: Vec<Option<(usize, usize)>>,
    columns: Vec<Option<(usize, usize)>>,
}

impl Extent {
    fn of(walls: &Mask) -> Self {
        let (width, height) = walls.size();
        let mut columns: Vec<Option<(usize, usize)>> = vec![None; width];
        let mut rows = Vec::with_capacity(height);
        for y in 0..height {
            let row = walls.row(y);
            let first = row.iter().position(|&wall| wall);
            let last = row.iter().rposition(|&wall| wall);
            rows.push(first.zip(last));
            for (column, _) in columns.iter_mut().zip(row).filter(|(_, wall)| **wall) {
                let (first, _) = column.unwrap_or((y, y));
                *column = Some((first, y));
            }
        }
        Self { rows, columns }
    }
}

/// Finds the largest leak in the floor that reaches the edge of the image, if its area is at least
/// `min_area`. `reaches` returns whether walls reach a side of the image, which may then cut a room.
pub(super) fn leak(
    walls: &Mask,
    floor: &Regions,
    min_area: usize,
    reaches: impl Fn(Side) -> bool,
    pass: &mut Pass,
) -> Result<Option<Leak>, Interrupted> {
    let size = walls.size();
    let extent = Extent::of(walls);
    let sides = [Side::Left, Side::Right, Side::Top, Side::Bottom];
    let cut = sides.map(&reaches);
    // The floor that each side of the image cuts, and the floor with walls on at least three sides.
    let mut found: [Option<Mask>; 5] = Default::default();
    let mut closed_in = Mask::new(size.0, size.1);
    let is_outside: Vec<bool> = floor
        .list
        .iter()
        .map(|region| !region.is_inside(size))
        .collect();
    for (_, y, columns) in floor.runs().filter(|(region, ..)| is_outside[*region]) {
        pass.row(y)?;
        let Some((first, last)) = extent.rows[y] else {
            continue;
        };
        for x in columns {
            let Some((top, bottom)) = extent.columns[x] else {
                continue;
            };
            let has_wall = [first < x, x < last, top < y, y < bottom];
            let kind = match has_wall {
                [true, true, true, true] => {
                    closed_in.row_mut(y)[x] = true;
                    4
                }
                [false, true, true, true] if cut[0] => 0,
                [true, false, true, true] if cut[1] => 1,
                [true, true, false, true] if cut[2] => 2,
                [true, true, true, false] if cut[3] => 3,
                _ if has_wall.iter().filter(|&&wall| wall).count() == 3 => 4,
                _ => continue,
            };
            let mask = found[kind].get_or_insert_with(|| Mask::new(size.0, size.1));
            mask.row_mut(y)[x] = true;
        }
    }
    for (kind, mask) in found.iter().enumerate().rev() {
        let Some(mask) = mask else { continue };
        let regions = Regions::of(mask, true, pass)?;
        let closed_in = regions.pixels_in(&closed_in);
        let is_leak = |region: &Region, closed_in: usize| {
            let is_pocket = kind < sides.len() || 100 * closed_in >= MIN_CLOSED_IN * region.area;
            region.area >= min_area && is_pocket
        };
        let largest = regions
            .list
            .iter()
            .zip(closed_in)
            .filter(|(region, closed_in)| is_leak(region, *closed_in))
            .max_by_key(|(region, _)| region.area);
        if let Some((region, _)) = largest {
            return Ok(Some(Leak {
                at: (
                    usize::midpoint(region.columns.start, region.columns.end),
                    usize::midpoint(region.rows.start, region.rows.end),
                ),
                cut: sides.get(kind).copied(),
            }));
        }
    }
    Ok(None)
}
