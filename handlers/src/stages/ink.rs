//! Separates ink from paper.

use std::ops::RangeInclusive;

use image::{GrayImage, imageops};
use imageproc::{filter::box_filter, stats::histogram};

use super::{
    mask::Mask,
    report::{Interrupted, Pass, Passes},
    straighten,
};

/// Minimum difference between the mean brightnesses of paper and ink. Scans and poor JPEGs have at least 80;
/// the grain of a blank sheet has less than 20.
const MIN_CONTRAST: u32 = 40;

/// Minimum difference between the mean brightnesses of two kinds of ink, or of paper and coloured
/// floor.
const MIN_SUBCONTRAST: u32 = 30;

/// Minimum share of the pixels that a kind of ink or floor covers, per thousand.
const MIN_CLASS: u64 = 10;

/// Minimum share of pixels that are as bright as their neighbourhood, in percent, for an image without
/// grain. With grain, it depends on chance which pixels are.
const EVEN_PERCENT: u64 = 80;

/// The brightness that separates ink from paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    /// The maximum brightness of the darker class.
    pub(super) level: u8,
    /// Whether the drawing is light on dark.
    pub(super) light_on_dark: bool,
}

impl Threshold {
    pub(super) fn is_ink(self, brightness: u8) -> bool {
        (brightness <= self.level) != self.light_on_dark
    }

    /// The mask of ink, from the original and the smoothed image. A pixel must be ink in both, so that
    /// smoothing closes no gaps between the strokes of letters. An exception is a pixel that is clearly
    /// ink in the smoothed image: it is a speck in a wall.
    pub(super) fn ink(
        self,
        sharp: &GrayImage,
        smooth: &GrayImage,
        pass: &mut Pass,
    ) -> Result<Mask, Interrupted> {
        let (width, height) = (smooth.width() as usize, smooth.height() as usize);
        let mut mask = Mask::new(width, height);
        let [sharp, smooth] =
            [sharp, smooth].map(|image| image.as_raw().chunks_exact(width.max(1)));
        for (y, (sharp, smooth)) in sharp.zip(smooth).enumerate() {
            pass.row(y)?;
            for ((cell, &sharp), &smooth) in mask.row_mut(y).iter_mut().zip(sharp).zip(smooth) {
                *cell = self.is_ink(smooth) && (self.is_ink(sharp) || self.is_deep(smooth));
            }
        }
        Ok(mask)
    }

    /// The mask of ink including the thinnest lines. A line between two pixels is only half as dark, so the
    /// threshold is closer to the paper.
    pub(super) fn all_ink(self, sharp: &GrayImage, pass: &mut Pass) -> Result<Mask, Interrupted> {
        let (width, height) = (sharp.width() as usize, sharp.height() as usize);
        let level = if self.light_on_dark {
            self.level - self.level / 3
        } else {
            self.level + (u8::MAX - self.level) / 3
        };
        let near = Self { level, ..self };
        let mut mask = Mask::new(width, height);
        for y in 0..height {
            pass.row(y)?;
            let row = &sharp.as_raw()[y * width..][..width];
            for (cell, &brightness) in mask.row_mut(y).iter_mut().zip(row) {
                *cell = near.is_ink(brightness);
            }
        }
        Ok(mask)
    }

    /// Whether a brightness is closer to full ink than to the threshold.
    fn is_deep(self, brightness: u8) -> bool {
        if self.light_on_dark {
            brightness > u8::midpoint(self.level, u8::MAX)
        } else {
            brightness <= self.level / 2
        }
    }
}

/// The image with each pixel replaced by the mean of its 3 by 3 neighbourhood. That smooths the noise of
/// JPEG without moving an edge, and fades hairlines.
pub(super) fn smooth(
    image: &GrayImage,
    message: &str,
    until: u8,
    passes: &mut Passes,
) -> Result<GrayImage, Interrupted> {
    const MARGIN: u32 = 1;
    let (width, height) = image.dimensions();
    let mut smooth = GrayImage::new(width, height);
    let mut pass = passes.next(message, until, (width as usize, height as usize));
    let stride = u32::try_from(pass.stride()).unwrap_or(u32::MAX);
    let mut top = 0;
    while top < height {
        pass.row(top as usize)?;
        let rows = stride.min(height - top);
        let above = MARGIN.min(top);
        let below = MARGIN.min(height - top - rows);
        let band = imageops::crop_imm(image, 0, top - above, width, above + rows + below);
        let band = box_filter(&band.to_image(), 1, 1);
        let inner = imageops::crop_imm(&band, 0, above, width, rows).to_image();
        imageops::replace(&mut smooth, &inner, 0, i64::from(top));
        top += rows;
    }
    Ok(smooth)
}

/// The mask of all pixels that differ from the median brightness, independent of a threshold.
pub(super) fn all_drawn(sharp: &GrayImage, pass: &mut Pass) -> Result<Mask, Interrupted> {
    let (width, height) = (sharp.width() as usize, sharp.height() as usize);
    let paper = straighten::middle(sharp);
    let mut mask = Mask::new(width, height);
    for y in 0..height {
        pass.row(y)?;
        let row = &sharp.as_raw()[y * width..][..width];
        for (cell, brightness) in mask.row_mut(y).iter_mut().zip(row) {
            *cell = u32::from(brightness.abs_diff(paper)) >= MIN_SUBCONTRAST;
        }
    }
    Ok(mask)
}

/// The possible thresholds of an image, the likeliest first. Fails with the contrast if it is too low.
///
/// Ink is the rarer of two classes, anywhere in the image: its edge may be cropped at a wall or have a
/// border. Floors may be coloured and walls grey, so each class may consist of two.
pub(super) fn thresholds(sharp: &GrayImage, smooth: &GrayImage) -> Result<Vec<Threshold>, u32> {
    let counts = brightness_counts(smooth);
    let (level, contrast) = two_classes(&counts);
    if contrast < MIN_CONTRAST {
        return Err(contrast);
    }
    // Edges have all brightnesses. Without edges, the remaining brightnesses were drawn.
    let flat = flat_counts(sharp, smooth);
    let (dark, light) = (0..=level, level.saturating_add(1)..=u8::MAX);
    let mut levels = vec![level];
    levels.extend([dark.clone(), light].into_iter().filter_map(|class| {
        let start = usize::from(*class.start());
        let within = &flat[start..=usize::from(*class.end())];
        let total: u64 = flat.iter().sum();
        let (level, contrast) = two_classes(within);
        let weight = |counts: &[u64]| 1000 * counts.iter().sum::<u64>() >= MIN_CLASS * total;
        let (low, high) = within.split_at_checked(usize::from(level) + 1)?;
        (contrast >= MIN_SUBCONTRAST && weight(low) && weight(high))
            .then(|| u8::try_from(start + usize::from(level)).ok())
            .flatten()
    }));
    let total: u64 = counts.iter().sum();
    let is_even = 100 * flat.iter().sum::<u64>() >= EVEN_PERCENT * total;
    // Edges between paper and text are as bright as walls that are lighter than the text.
    let counts_of = |class: &RangeInclusive<u8>| -> &[u64] {
        let within = &flat[usize::from(*class.start())..=usize::from(*class.end())];
        let is_seen = 1000 * within.iter().sum::<u64>() >= MIN_CLASS * total;
        if is_seen && (is_even || levels.len() > 1) {
            &flat
        } else {
            &counts
        }
    };
    let dark_ink = counts[..=usize::from(level)].iter().sum::<u64>() * 2 <= total;
    let mut thresholds = Vec::new();
    for light_on_dark in [!dark_ink, dark_ink] {
        for &level in &levels {
            let below = levels.iter().filter(|&&other| other < level).max();
            let above = levels.iter().filter(|&&other| other > level).min();
            let darker = below.map_or(0, |&below| below + 1)..=level;
            let lighter = level.saturating_add(1)..=above.copied().unwrap_or(u8::MAX);
            thresholds.push(Threshold {
                level: halfway(&counts_of, darker, lighter, light_on_dark),
                light_on_dark,
            });
        }
    }
    Ok(thresholds)
}

/// The level halfway between paper and full ink. Otsu's level separates the classes, but its exact position
/// between them depends on chance; and if thin walls are mostly edges, it includes hairlines.
fn halfway<'c>(
    counts_of: &impl Fn(&RangeInclusive<u8>) -> &'c [u64],
    darker: RangeInclusive<u8>,
    lighter: RangeInclusive<u8>,
    light_on_dark: bool,
) -> u8 {
    let share = |class: RangeInclusive<u8>, percent| share_at(counts_of(&class), class, percent);
    let (paper, ink) = if light_on_dark {
        (share(darker, 50), share(lighter, 90))
    } else {
        (share(lighter, 50), share(darker, 10))
    };
    u8::midpoint(paper, ink)
}

/// The percentile of the brightnesses within a range.
fn share_at(counts: &[u64], range: RangeInclusive<u8>, percent: u64) -> u8 {
    let within = |range: RangeInclusive<u8>| -> u64 {
        counts[usize::from(*range.start())..=usize::from(*range.end())]
            .iter()
            .sum()
    };
    let total = within(range.clone());
    let start = *range.start();
    range
        .clone()
        .find(|&brightness| within(start..=brightness) * 100 >= total * percent)
        .unwrap_or(start)
}

/// Otsu's method on a histogram: the maximum brightness of the darker class, and the difference of the means
/// of both classes. (The implementation in `imageproc` overflows above 16 million white pixels.)
fn two_classes(counts: &[u64]) -> (u8, u32) {
    let weigh = |counts: &[u64], first: u64| {
        let weight: u64 = counts.iter().sum();
        let sum: u64 = (first..)
            .zip(counts)
            .map(|(value, count)| value * count)
            .sum();
        (weight, sum)
    };
    let mut best = (0, 0, 0);
    for level in 0..u8::MAX {
        let Some((dark, light)) = counts.split_at_checked(usize::from(level) + 1) else {
            break;
        };
        let (dark_weight, dark_sum) = weigh(dark, 0);
        let (light_weight, light_sum) = weigh(light, u64::from(level) + 1);
        if dark_weight == 0 || light_weight == 0 {
            continue;
        }
        // Means in 1/256 of a step of brightness.
        let difference = 256 * light_sum / light_weight - 256 * dark_sum / dark_weight;
        let variance = u128::from(dark_weight)
            * u128::from(light_weight)
            * u128::from(difference * difference);
        if variance > best.2 {
            best = (
                level,
                u32::try_from(difference / 256).unwrap_or(u32::MAX),
                variance,
            );
        }
    }
    (best.0, best.1)
}

/// The histogram of the pixels that are as bright as their neighbourhood.
fn flat_counts(sharp: &GrayImage, smooth: &GrayImage) -> Vec<u64> {
    const FLAT: u8 = 6;
    let mut counts = vec![0; 256];
    for (&sharp, &smooth) in sharp.as_raw().iter().zip(smooth.as_raw()) {
        if sharp.abs_diff(smooth) <= FLAT {
            counts[usize::from(smooth)] += 1;
        }
    }
    counts
}

fn brightness_counts(image: &GrayImage) -> Vec<u64> {
    histogram(image).channels[0]
        .iter()
        .map(|&count| u64::from(count))
        .collect()
}
