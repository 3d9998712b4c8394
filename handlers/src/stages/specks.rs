//! Removes salt-and-pepper noise: single pixels that differ from all their neighbours, caused by dust, faulty
//! sensors and bad transmission.

use image::GrayImage;

use super::report::{Interrupted, Pass};

/// Neighbours whose brightness differs by less belong to the same stroke or floor.
const ALIKE: u8 = 64;

/// Minimum number of specks per thousand pixels for an image to be cleaned. A clean image has some specks at
/// the ends of hairlines, which smoothing removes.
pub(super) const MIN_PER_THOUSAND: u64 = 1;

/// Maximum number of specks per thousand pixels. Above it, walls cannot be found reliably. About half of the
/// noise is detected as specks.
pub(super) const MAX_PER_THOUSAND: u64 = 80;

/// The number of specks per thousand pixels.
pub(super) fn per_thousand(image: &GrayImage, pass: &mut Pass) -> Result<u64, Interrupted> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut specks = 0;
    for y in 1..height.saturating_sub(1) {
        pass.row(y)?;
        let rows = Rows::around(image, width, y);
        specks += (1..width - 1).filter(|&x| rows.is_speck(x)).count() as u64;
    }
    Ok(1000 * specks / (width as u64 * height as u64).max(1))
}

/// Replaces each speck by the median of its neighbours. The thinnest lines keep their pixels, because each
/// has two similar neighbours.
pub(super) fn remove(image: &GrayImage, pass: &mut Pass) -> Result<GrayImage, Interrupted> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut clean = image.clone();
    for y in 1..height.saturating_sub(1) {
        pass.row(y)?;
        let rows = Rows::around(image, width, y);
        let target = &mut clean.as_mut()[y * width..][..width];
        for x in (1..width - 1).filter(|&x| rows.is_speck(x)) {
            let mut around = rows.neighbours(x);
            around.sort_unstable();
            target[x] = u8::midpoint(around[3], around[4]);
        }
    }
    Ok(clean)
}

/// Replaces each pixel by the median of its 3 by 3 neighbourhood. That removes the bumps and dents that noise
/// leaves at edges, but also hairlines.
pub(super) fn median(image: &GrayImage, pass: &mut Pass) -> Result<GrayImage, Interrupted> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut even = image.clone();
    for y in 1..height.saturating_sub(1) {
        pass.row(y)?;
        let rows = Rows::around(image, width, y);
        let target = &mut even.as_mut()[y * width..][..width];
        let inner = target.iter_mut().enumerate().take(width - 1).skip(1);
        for (x, target) in inner {
            let around = rows.neighbours(x);
            let here = *target;
            // Nearly everywhere, all pixels are equal, and so is the median.
            if around.iter().all(|&it| it == here) {
                continue;
            }
            let mut all = [here; 9];
            all[..8].copy_from_slice(&around);
            all.sort_unstable();
            *target = all[4];
        }
    }
    Ok(even)
}

/// Three rows of an image.
struct Rows<'i>([&'i [u8]; 3]);

impl<'i> Rows<'i> {
    fn around(image: &'i GrayImage, width: usize, y: usize) -> Self {
        Self([y - 1, y, y + 1].map(|y| &image.as_raw()[y * width..][..width]))
    }

    fn neighbours(&self, x: usize) -> [u8; 8] {
        let [above, here, below] = self.0;
        [
            above[x - 1],
            above[x],
            above[x + 1],
            here[x - 1],
            here[x + 1],
            below[x - 1],
            below[x],
            below[x + 1],
        ]
    }

    /// Whether at most one neighbour is similar.
    fn is_speck(&self, x: usize) -> bool {
        let here = self.0[1];
        let is_alike = |other: u8| other.abs_diff(here[x]) < ALIKE;
        // Most pixels are similar to their neighbours.
        if is_alike(here[x - 1]) && is_alike(here[x + 1]) {
            return false;
        }
        let alike = self.neighbours(x).into_iter().filter(|&n| is_alike(n));
        alike.count() <= 1
    }
}
