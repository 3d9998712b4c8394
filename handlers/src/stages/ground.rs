//! The background of an image with transparency.

use image::{DynamicImage, GrayAlphaImage, GrayImage, Luma};
use imageproc::{distance_transform::Norm, morphology::erode};

/// The brightness of each pixel. Transparent pixels show the background, black or white, that fits the rest.
pub(super) fn brightness(image: DynamicImage) -> GrayImage {
    if !image.color().has_alpha() {
        return image.into_luma8();
    }
    let image = image.into_luma_alpha8();
    let ground = if image.pixels().all(|pixel| pixel.0[1] == u8::MAX) {
        u8::MAX
    } else {
        ground(&image)
    };
    let mut pixels = GrayImage::new(image.width(), image.height());
    for (target, source) in pixels.pixels_mut().zip(image.pixels()) {
        let [light, alpha] = source.0.map(u16::from);
        let blended = (light * alpha + u16::from(ground) * (255 - alpha)) / 255;
        *target = Luma([u8::try_from(blended).unwrap_or(u8::MAX)]);
    }
    pixels
}

/// The brightness of the background. Strokes have to contrast with it; the floors of an image with opaque
/// floors continue in it.
fn ground(image: &GrayAlphaImage) -> u8 {
    let (mut light, mut visible) = (0_u64, 0_u64);
    let mut opaque = GrayImage::new(image.width(), image.height());
    for (target, pixel) in opaque.pixels_mut().zip(image.pixels()) {
        let [brightness, alpha] = pixel.0;
        visible += u64::from(alpha);
        light += u64::from(alpha) * u64::from(brightness);
        target.0[0] = if alpha >= 128 { 255 } else { 0 };
    }
    let is_light = light > 128 * visible;
    // A wall is no thicker than a sixteenth of a plan; a floor is wider.
    let reach = (image.width().min(image.height()) / 32).clamp(1, 255);
    let opaque_pixels = opaque.iter().filter(|&&pixel| pixel > 0).count();
    let inside = erode(&opaque, Norm::LInf, u8::try_from(reach).unwrap_or(u8::MAX));
    let inside = inside.iter().filter(|&&pixel| pixel > 0).count();
    let has_floors = 10 * inside > opaque_pixels;
    if is_light == has_floors { u8::MAX } else { 0 }
}
