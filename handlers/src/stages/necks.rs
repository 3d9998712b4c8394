//! Finds two rooms that are joined because the door between them was not closed: the opening is at most as
//! long as a wall is thick.

use std::{collections::BTreeMap, ops::Range};

use super::{
    mask::Mask,
    regions::Regions,
    report::{Interrupted, Passes},
    thickness::WallThickness,
};

/// An opening between two parts of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Neck {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
}

/// Finds an opening in the floor of rooms that is at most as wide as a door, and at most as long as a wall is
/// thick.
pub(super) fn find(
    floor: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Option<Neck>, Interrupted> {
    let widest = thickness.widest_door();
    let turned = floor.transposed(&mut passes.next(message, until, floor.size()))?;
    for side in [widest / 3, widest * 2 / 3] {
        let neck = find_across(floor, side, thickness, (message, until), passes)?;
        if neck.is_some() {
            return Ok(neck);
        }
        if let Some(neck) = find_across(&turned, side, thickness, (message, until), passes)? {
            return Ok(Some(Neck {
                columns: neck.rows,
                rows: neck.columns,
            }));
        }
    }
    Ok(None)
}

/// Finds an opening between two parts of a floor side by side. A square with the side `reach` fits into each
/// of the parts, but not into the opening.
fn find_across(
    floor: &Mask,
    reach: usize,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Option<Neck>, Interrupted> {
    let longest = thickness.thickest + thickness.tolerance() + 2;
    let size = floor.size();
    let wide = floor.opened(reach, &mut passes.next(message, until, size))?;
    let parts = Regions::of(&wide, true, &mut passes.next(message, until, size))?;
    let mut necks: BTreeMap<(usize, usize), Neck> = BTreeMap::new();
    let mut runs = parts.runs().peekable();
    while let Some((part, row, columns)) = runs.next() {
        let Some((next_part, next_row, next)) = runs.peek() else {
            break;
        };
        let between = columns.end..next.start;
        let is_neck = *next_row == row
            && *next_part != part
            && between.len() <= longest
            && floor.row(row)[between.clone()].iter().all(|&floor| floor);
        if is_neck {
            let neck = necks.entry((part, *next_part)).or_insert_with(|| Neck {
                columns: between.clone(),
                rows: row..row,
            });
            neck.columns.start = neck.columns.start.min(between.start);
            neck.columns.end = neck.columns.end.max(between.end);
            neck.rows.end = row + 1;
        }
    }
    let is_wide = |neck: &Neck| neck.rows.len() >= thickness.thinnest;
    Ok(necks.into_values().find(is_wide))
}
