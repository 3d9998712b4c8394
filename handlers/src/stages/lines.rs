//! Measures thin lines. In a plan with filled walls, they are shorter in total than the walls.

use super::{
    mask::{Mask, runs},
    report::{Interrupted, Passes},
    thickness::Thicknesses,
};

/// Number of pixels beside a wall that belong to its edge.
const EDGE: usize = 2;

/// The length of the straight lines apart from the walls, in percent of the length of the walls.
pub(super) fn percent_of_walls(
    mut lines: Mask,
    walls: &Mask,
    (message, until): (&str, u8),
    passes: &mut Passes,
) -> Result<u64, Interrupted> {
    let (width, height) = walls.size();
    for y in 0..height {
        for run in runs(walls.row(y), true) {
            let columns = run.start.saturating_sub(EDGE)..(run.end + EDGE).min(width);
            for row in y.saturating_sub(EDGE)..(y + EDGE + 1).min(height) {
                lines.row_mut(row)[columns.clone()].fill(false);
            }
        }
    }
    let mut length = |mask: &Mask| -> Result<u64, Interrupted> {
        let (size, turned_size) = (mask.size(), (mask.height(), mask.width()));
        let turned = mask.transposed(&mut passes.next(message, until, size))?;
        let mut lines = Thicknesses::new(size);
        lines.add(mask, &mut passes.next(message, until, size))?;
        lines.add(&turned, &mut passes.next(message, until, turned_size))?;
        Ok(lines.length(size.0.max(size.1)))
    };
    let (lines, walls) = (length(&lines)?, length(walls)?);
    Ok(100 * lines / walls.max(1))
}
