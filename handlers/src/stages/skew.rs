//! Measures the rotation of a plan.
//!
//! Edge points are projected along each angle of a range. At the correct angle, all points of a wall's edge
//! fall into one bin, so the sum of the squares of the bins is largest.

use image::GrayImage;

use super::report::{Interrupted, Pass};

/// Maximum rotation that is straightened, in degrees.
pub(super) const MAX_DEGREES: f64 = 3.0;

/// Maximum of the measured rotation, in degrees: the measurement has an error.
const MAX_MEASURED_DEGREES: f64 = MAX_DEGREES + 0.25;

/// Minimum difference of brightness across an edge.
const MIN_EDGE: i32 = 24;

/// Approximate maximum number of edge points; more are thinned out.
const MAX_POINTS: usize = 30_000;

/// Number of points for a rough search of the angle.
const ROUGH_POINTS: usize = 8_000;

/// Minimum ratio of the best score to the median score if the edges have a direction.
const MIN_PEAK: f64 = 1.5;

/// The plan is rotated by more than [`MAX_DEGREES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TurnedTooFar {
    pub(super) degrees: f64,
}

/// A point of an edge, with the approximate direction of the edge: down or across.
#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
    runs_down: bool,
    /// Whether the edge is within 22 degrees of that direction.
    is_close: bool,
}

/// The clockwise rotation of the plan in degrees. Zero if it is too small to matter, or if the edges have no
/// direction.
pub(super) fn degrees(
    smooth: &GrayImage,
    pass: &mut Pass,
) -> Result<Result<f64, TurnedTooFar>, Interrupted> {
    let points = edge_points(smooth, pass)?;
    let size = f64::from(smooth.width().max(smooth.height()));
    let close: Vec<Point> = points.iter().copied().filter(|it| it.is_close).collect();
    // Hatching has many edges at 45 degrees; they count only if there is no other direction.
    let rough = peak(&close, size, 22.0).or_else(|| peak(&points, size, 45.0));
    let Some(rough) = rough else {
        return Ok(Ok(0.0));
    };
    let points = if rough.abs() < 22.0 { &close } else { &points };
    let fine = best(points, size / 1000.0, around(rough, 0.6, 0.1));
    let fine = best(points, size / 1000.0, around(fine, 0.1, 0.02));
    if fine.abs() > MAX_MEASURED_DEGREES {
        return Ok(Err(TurnedTooFar { degrees: fine }));
    }
    // A smaller rotation moves walls by less than the uncertainty of their edges.
    let drift = fine.abs().to_radians().tan() * size;
    Ok(Ok(if drift < 1.5 { 0.0 } else { fine }))
}

/// The best angle of a range in steps of half a degree, if its score is clearly the highest.
fn peak(points: &[Point], size: f64, most: f64) -> Option<f64> {
    let few = thinned(points, ROUGH_POINTS);
    let mut scores: Vec<(f64, f64)> = around(0.0, most, 0.5)
        .map(|degrees| (score(&few, degrees, size / 300.0), degrees))
        .collect();
    let (best, degrees) = scores.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0))?;
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (middle, _) = scores[scores.len() / 2];
    (few.len() >= 50 && best >= MIN_PEAK * middle).then_some(degrees)
}

fn best(points: &[Point], bin: f64, angles: impl Iterator<Item = f64>) -> f64 {
    angles
        .map(|degrees| (score(points, degrees, bin), degrees))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.abs().total_cmp(&a.1.abs())))
        .map_or(0.0, |(_, degrees)| degrees)
}

fn around(centre: f64, reach: f64, step: f64) -> impl Iterator<Item = f64> {
    #[expect(clippy::cast_possible_truncation, reason = "a hundred steps")]
    let steps = (reach / step).round() as i32;
    (-steps..=steps).map(move |index| centre + f64::from(index) * step)
}

fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    let step = points.len().div_ceil(most).max(1);
    points.iter().step_by(step).copied().collect()
}

/// The sum of squares of the bins when the points are projected along an angle. `bin` is the width of a
/// bin in pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "bins and points are a few thousand"
)]
fn score(points: &[Point], degrees: f64, bin: f64) -> f64 {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let places = points.iter().map(|point| {
        if point.runs_down {
            point.x * cos + point.y * sin
        } else {
            point.y * cos - point.x * sin
        }
    });
    let least = places.clone().fold(f64::INFINITY, f64::min);
    let most = places.clone().fold(f64::NEG_INFINITY, f64::max);
    if points.is_empty() {
        return 0.0;
    }
    let bins = ((most - least) / bin) as usize + 1;
    let mut counts = [vec![0_u32; bins], vec![0_u32; bins]];
    for (point, place) in points.iter().zip(places) {
        counts[usize::from(point.runs_down)][((place - least) / bin) as usize] += 1;
    }
    let squares = counts
        .iter()
        .flatten()
        .map(|&count| u64::from(count).pow(2));
    squares.sum::<u64>() as f64
}

/// Points at which the brightness changes most, along rows and along columns.
fn edge_points(smooth: &GrayImage, pass: &mut Pass) -> Result<Vec<Point>, Interrupted> {
    let (width, height) = (smooth.width() as usize, smooth.height() as usize);
    let at = |x: usize, y: usize| i32::from(smooth.as_raw()[y * width + x]);
    // Large images have more points than needed.
    let step = (width.max(height) / 1000).max(1);
    let mut points = Vec::new();
    for y in 2..height.saturating_sub(2) {
        pass.row(y)?;
        for x in 2..width.saturating_sub(2) {
            let (runs_down, runs_across) = (y % step == 0, x % step == 0);
            if !runs_down && !runs_across {
                continue;
            }
            let right = at(x + 1, y) - at(x - 1, y);
            let down = at(x, y + 1) - at(x, y - 1);
            let is_edge = right.abs().max(down.abs()) >= MIN_EDGE;
            if !is_edge {
                continue;
            }
            let (change, along, is_wanted, before, after) = if right.abs() >= down.abs() {
                let (before, after) = (at(x, y) - at(x - 2, y), at(x + 2, y) - at(x, y));
                (right, down, runs_down, before, after)
            } else {
                let (before, after) = (at(x, y) - at(x, y - 2), at(x, y + 2) - at(x, y));
                (down, right, runs_across, before, after)
            };
            if is_wanted && change.abs() > before.abs() && change.abs() >= after.abs() {
                #[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
                points.push(Point {
                    x: x as f64,
                    y: y as f64,
                    runs_down: right.abs() >= down.abs(),
                    is_close: 5 * along.abs() <= 2 * change.abs(),
                });
            }
        }
    }
    Ok(thinned(&points, MAX_POINTS))
}
