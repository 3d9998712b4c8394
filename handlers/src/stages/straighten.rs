//! Rotates a plan so that its walls are upright, and converts coordinates back.

use image::{GrayImage, Luma};

use super::report::{Interrupted, Pass};

/// The rotation of a plan. The straightened image is large enough to contain the whole plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Straightening {
    sin: f64,
    cos: f64,
    /// Size of the plan.
    from: (f64, f64),
    /// Size of the straightened image.
    to: (f64, f64),
}

impl Straightening {
    /// The straightening of a plan of this size that is rotated clockwise by `degrees`.
    pub(super) fn new(degrees: f64, (width, height): (u32, u32)) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let from = (f64::from(width), f64::from(height));
        let side = |one: f64, other: f64| {
            if degrees == 0.0 {
                one
            } else {
                (one * cos + other * sin.abs()).ceil()
            }
        };
        Self {
            sin,
            cos,
            from,
            to: (side(from.0, from.1), side(from.1, from.0)),
        }
    }

    /// Converts coordinates of the straightened image to those of the plan.
    pub(super) fn to_plan(self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = (x - self.to.0 / 2.0, y - self.to.1 / 2.0);
        (
            x * self.cos - y * self.sin + self.from.0 / 2.0,
            x * self.sin + y * self.cos + self.from.1 / 2.0,
        )
    }

    /// The straightened image. Pixels outside of the plan have its median brightness.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes and brightnesses are within the types' ranges"
    )]
    pub(super) fn straight(
        &self,
        plan: &GrayImage,
        pass: &mut Pass,
    ) -> Result<GrayImage, Interrupted> {
        if self.sin == 0.0 {
            return Ok(plan.clone());
        }
        let (width, height) = (self.to.0 as u32, self.to.1 as u32);
        let mut straight = GrayImage::from_pixel(width, height, Luma([middle(plan)]));
        let stride = plan.width() as usize;
        let (last_x, last_y) = (self.from.0 - 1.0, self.from.1 - 1.0);
        for y in 0..height {
            pass.row(y as usize)?;
            let row = &mut straight.as_mut()[y as usize * width as usize..][..width as usize];
            for (x, target) in (0..width).zip(row) {
                let (x, y) = self.to_plan((f64::from(x) + 0.5, f64::from(y) + 0.5));
                let (x, y) = (x - 0.5, y - 0.5);
                if x < 0.0 || y < 0.0 || x >= last_x || y >= last_y {
                    continue;
                }
                let first = y as usize * stride + x as usize;
                let [right, down] = [x.fract(), y.fract()].map(|part| (part * 256.0) as u32);
                let pixel = |offset: usize| u32::from(plan.as_raw()[first + offset]);
                let above = pixel(0) * (256 - right) + pixel(1) * right;
                let below = pixel(stride) * (256 - right) + pixel(stride + 1) * right;
                *target = ((above * (256 - down) + below * down) >> 16) as u8;
            }
        }
        Ok(straight)
    }
}

/// The median brightness.
pub(super) fn middle(image: &GrayImage) -> u8 {
    let mut counts = [0_usize; 256];
    for &pixel in image.as_raw() {
        counts[usize::from(pixel)] += 1;
    }
    let half = image.as_raw().len() / 2;
    let mut sum = 0;
    (0..=u8::MAX)
        .find(|&brightness| {
            sum += counts[usize::from(brightness)];
            sum > half
        })
        .unwrap_or(u8::MAX)
}
