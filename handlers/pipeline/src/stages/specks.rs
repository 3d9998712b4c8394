//! Salt and pepper: single pixels that have nothing in common with their neighbours, as dust,
//! faulty sensors and bad transmission leave them.

use image::GrayImage;

use super::report::{Interrupted, Pass};

/// Neighbours that differ by less are of the same stroke or floor.
const ALIKE: u8 = 64;

/// Specks per thousand pixels from which a picture is cleaned. A clean one has some at the ends of
/// hairlines only; smoothing deals with those.
pub(super) const LEAST_PER_THOUSAND: u64 = 1;

/// Specks per thousand pixels over which walls cannot be trusted. Half of all salt and pepper is
/// seen as specks.
pub(super) const MOST_PER_THOUSAND: u64 = 80;

/// How many specks there are per thousand pixels.
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

/// The picture with each speck as bright as the middle one of its neighbours. Lines keep their
/// pixels, however thin: each has two others beside it.
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

/// The picture with each pixel the middle one of its neighbourhood of three by three. It takes the
/// bumps and dents off edges that noise leaves there, and hairlines with them.
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
            // Where all are the same, and that is nearly everywhere, so is the middle one.
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

    /// Whether no more than one neighbour is alike.
    fn is_speck(&self, x: usize) -> bool {
        let here = self.0[1];
        let is_alike = |other: u8| other.abs_diff(here[x]) < ALIKE;
        // Most pixels are like those beside them.
        if is_alike(here[x - 1]) && is_alike(here[x + 1]) {
            return false;
        }
        let alike = self.neighbours(x).into_iter().filter(|&n| is_alike(n));
        alike.count() <= 1
    }
}
