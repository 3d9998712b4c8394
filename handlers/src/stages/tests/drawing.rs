//! Draws floor plans with known rooms.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma, codecs::jpeg::JpegEncoder, imageops};
use imageproc::{
    drawing::{draw_filled_rect_mut, draw_hollow_rect_mut, draw_line_segment_mut},
    rect::Rect,
};

pub(super) const PAPER: u8 = 255;
pub(super) const INK: u8 = 20;

/// A rectangle. `right` and `bottom` are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Block {
    pub(super) const fn new(left: i32, top: i32, right: i32, bottom: i32) -> Self {
        Self {
            left,
            top,
            right,
            bottom,
        }
    }

    pub(super) fn area(self) -> f64 {
        f64::from(self.right - self.left) * f64::from(self.bottom - self.top)
    }

    fn rect(self) -> Option<Rect> {
        let width = u32::try_from(self.right - self.left).ok()?;
        let height = u32::try_from(self.bottom - self.top).ok()?;
        (width > 0 && height > 0).then(|| Rect::at(self.left, self.top).of_size(width, height))
    }
}

/// The leaf of an open door: its hinge, and the directions of the opening and of the swing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) hinge: (i32, i32),
    pub(super) along: (i32, i32),
    pub(super) swing: (i32, i32),
    pub(super) width: i32,
}

pub(super) struct Drawing {
    pub(super) pixels: GrayImage,
    /// Brightness of everything that is drawn next, except by [`Drawing::fill`].
    pub(super) ink: u8,
}

impl Drawing {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self {
            pixels: GrayImage::from_pixel(width, height, Luma([PAPER])),
            ink: INK,
        }
    }

    pub(super) fn fill(&mut self, block: Block, brightness: u8) -> &mut Self {
        if let Some(rect) = block.rect() {
            draw_filled_rect_mut(&mut self.pixels, rect, Luma([brightness]));
        }
        self
    }

    pub(super) fn wall(&mut self, block: Block) -> &mut Self {
        self.fill(block, self.ink)
    }

    pub(super) fn opening(&mut self, block: Block) -> &mut Self {
        self.fill(block, PAPER)
    }

    /// The outline of a piece of furniture.
    pub(super) fn furniture(&mut self, block: Block, stroke: i32) -> &mut Self {
        for inset in 0..stroke {
            let inner = Block::new(
                block.left + inset,
                block.top + inset,
                block.right - inset,
                block.bottom - inset,
            );
            if let Some(rect) = inner.rect() {
                draw_hollow_rect_mut(&mut self.pixels, rect, Luma([self.ink]));
            }
        }
        self
    }

    /// An open door: its leaf and the quarter circle that it sweeps.
    pub(super) fn leaf(&mut self, leaf: Leaf, stroke: i32) -> &mut Self {
        let at = |angle: f64, radius: f64| {
            let (sin, cos) = angle.sin_cos();
            let point = |hinge: i32, along: i32, swing: i32| {
                f64::from(hinge) + radius * (f64::from(along) * cos + f64::from(swing) * sin)
            };
            (
                point(leaf.hinge.0, leaf.along.0, leaf.swing.0),
                point(leaf.hinge.1, leaf.along.1, leaf.swing.1),
            )
        };
        let steps = 24;
        for ring in 0..stroke {
            let radius = f64::from(leaf.width - ring);
            for step in 0..steps {
                let angle =
                    |step: i32| f64::from(step) / f64::from(steps) * std::f64::consts::FRAC_PI_2;
                self.line(at(angle(step), radius), at(angle(step + 1), radius));
            }
        }
        for offset in 0..stroke {
            let shift = (leaf.along.0 * offset, leaf.along.1 * offset);
            let from = (leaf.hinge.0 + shift.0, leaf.hinge.1 + shift.1);
            let to = (
                from.0 + leaf.swing.0 * leaf.width,
                from.1 + leaf.swing.1 * leaf.width,
            );
            self.line((from.0.into(), from.1.into()), (to.0.into(), to.1.into()));
        }
        self
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "coordinates are a few thousand"
    )]
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let single = |(x, y): (f64, f64)| (x as f32, y as f32);
        draw_line_segment_mut(&mut self.pixels, single(from), single(to), Luma([self.ink]));
    }

    /// Text in capitals. A letter has 5 by 7 dots of `cell` pixels.
    pub(super) fn text(&mut self, words: &str, (x, y): (i32, i32), cell: i32) -> &mut Self {
        for (place, letter) in (0..).zip(words.chars()) {
            for (line, dots) in (0..).zip(dots(letter)) {
                for dot in (0..5).filter(|dot| dots >> (4 - dot) & 1 == 1) {
                    let left = x + (place * 6 + dot) * cell;
                    let top = y + line * cell;
                    self.wall(Block::new(left, top, left + cell, top + cell));
                }
            }
        }
        self
    }

    /// Blurs edges like a camera or a resampling.
    pub(super) fn soften(&mut self) -> &mut Self {
        self.pixels = imageops::blur(&self.pixels, 0.6);
        self
    }

    pub(super) fn invert(&mut self) -> &mut Self {
        imageops::invert(&mut self.pixels);
        self
    }

    pub(super) fn png(&self) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        self.pixels
            .write_to(&mut bytes, ImageFormat::Png)
            .expect("memory takes it");
        bytes.into_inner()
    }

    pub(super) fn jpeg(&self, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode_image(&self.pixels)
            .expect("memory takes it");
        bytes
    }
}

fn dots(letter: char) -> [u8; 7] {
    match letter {
        'A' => [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        'B' => [0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e],
        'E' => [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f],
        'H' => [0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        'I' => [0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e],
        'L' => [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f],
        'M' => [0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11],
        'O' => [0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e],
        'R' => [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11],
        'T' => [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04],
        _ => [0; 7],
    }
}
