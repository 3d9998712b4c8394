//! Two rooms that are one only because the door between them was not closed: their floor is
//! joined through an opening as short as a wall is thick.

use std::ops::Range;

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

/// Finds an opening in the floor of rooms that is no wider than a door and no longer than a wall
/// is thick.
pub(super) fn find(
    floor: &Mask,
    thickness: WallThickness,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<Option<Neck>, Interrupted> {
    let widest = thickness.widest_door();
    let longest = thickness.thickest + thickness.tolerance() + 2;
    for side in [widest / 3, widest * 2 / 3] {
        let size = floor.size();
        let wide = floor.opened(side, &mut passes.next(message, until, size))?;
        let parts = Regions::of(&wide, true, &mut passes.next(message, until, size))?;
        if parts.list.len() < 2 {
            continue;
        }
        let mut narrow = floor.clone();
        for y in 0..narrow.height() {
            let cells = narrow.row_mut(y).iter_mut().zip(wide.row(y));
            cells.for_each(|(cell, wide)| *cell &= !wide);
        }
        let necks = Regions::of(&narrow, true, &mut passes.next(message, until, size))?;
        let joins = |before: Option<(usize, usize)>, after: (usize, usize)| {
            let before = before.and_then(|(x, y)| parts.at(x, y));
            let after = parts.at(after.0, after.1);
            before.is_some() && after.is_some() && before != after
        };
        let neck = necks.list.iter().find(|neck| {
            let (left, top) = (neck.columns.start, neck.rows.start);
            let (right, bottom) = (neck.columns.end, neck.rows.end);
            let middle = (usize::midpoint(left, right), usize::midpoint(top, bottom));
            let across = neck.columns.len() <= longest && neck.rows.len() >= thickness.thinnest;
            let down = neck.rows.len() <= longest && neck.columns.len() >= thickness.thinnest;
            across
                && joins(
                    left.checked_sub(1).map(|x| (x, middle.1)),
                    (right, middle.1),
                )
                || down
                    && joins(
                        top.checked_sub(1).map(|y| (middle.0, y)),
                        (middle.0, bottom),
                    )
        });
        if let Some(neck) = neck {
            return Ok(Some(Neck {
                columns: neck.columns.clone(),
                rows: neck.rows.clone(),
            }));
        }
    }
    Ok(None)
}
