//! Recognizes short pieces of wall between two doors: as small as a letter of bold text, but in line with a
//! longer wall.

use std::ops::Range;

use super::{mask::Mask, regions::Region, thickness::WallThickness};

/// Whether a side of a piece of `thick` is in line with and opposite to the end of one of the `long` walls,
/// at a distance of at most the width of a door.
pub(super) fn continues_a_wall(
    piece: &Region,
    thick: &Mask,
    long: &Mask,
    thickness: WallThickness,
) -> bool {
    [false, true].into_iter().any(|turned| {
        let [piece_of, long] = [thick, long].map(|mask| View { mask, turned });
        let (columns, rows) = if turned {
            (&piece.rows, &piece.columns)
        } else {
            (&piece.columns, &piece.rows)
        };
        let right = columns.end..long.width().min(columns.end + thickness.widest_door());
        let left = columns.start.saturating_sub(thickness.widest_door())..columns.start;
        meets(&piece_of, columns.end - 1, rows, right, &long, thickness)
            || meets(&piece_of, columns.start, rows, left.rev(), &long, thickness)
    })
}

/// Whether there is, along the columns `ahead` of the edge of a piece, the end of a wall that is as high as
/// the edge.
fn meets(
    piece: &View,
    edge: usize,
    rows: &Range<usize>,
    mut ahead: impl Iterator<Item = usize>,
    long: &View,
    thickness: WallThickness,
) -> bool {
    let Some(first) = rows.clone().find(|&y| piece.get(edge, y)) else {
        return false;
    };
    let tolerance = thickness.tolerance();
    let most = thickness.thickest + tolerance;
    let edge = piece.span(edge, first, most);
    if edge.len() > most {
        return false;
    }
    let middle = usize::midpoint(edge.start, edge.end);
    let Some(_) = ahead.find(|&x| long.get(x, middle)) else {
        return false;
    };
    // The end of a wall may be rounded; further inside, it has its full thickness.
    ahead.nth(tolerance).is_some_and(|x| {
        let end = long.span(x, middle, 2 * most);
        end.start.abs_diff(edge.start) <= tolerance && end.end.abs_diff(edge.end) <= tolerance
    })
}

/// A view of a mask or of its transpose, without a copy.
struct View<'m> {
    mask: &'m Mask,
    turned: bool,
}

impl View<'_> {
    fn width(&self) -> usize {
        if self.turned {
            self.mask.height()
        } else {
            self.mask.width()
        }
    }

    fn height(&self) -> usize {
        if self.turned {
            self.mask.width()
        } else {
            self.mask.height()
        }
    }

    fn get(&self, x: usize, y: usize) -> bool {
        if self.turned {
            self.mask.get(y, x)
        } else {
            self.mask.get(x, y)
        }
    }

    /// The run of set rows around `y` in a column, at most `most` to either side.
    fn span(&self, x: usize, y: usize, most: usize) -> Range<usize> {
        let is_set = |y: &usize| self.get(x, *y);
        let above = (0..y).rev().take(most).take_while(is_set).count();
        let below = (y..self.height()).take(most + 1).take_while(is_set).count();
        y - above..y + below
    }
}
