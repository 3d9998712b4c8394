//! The reference plan as scanners, cameras and drawing programs produce it: five rooms on a sheet
//! of 1020 by 760 pixels, outer walls of 14 and inner walls of 8 pixels.

use image::{GrayImage, ImageFormat, Luma, Rgba, RgbaImage, imageops};
use imageproc::{distance_transform::Norm, morphology::erode};
use std::io::Cursor;

use super::{
    FloorPlan,
    drawing::{Block, Drawing, INK, Leaf, PAPER},
    noise,
};

const SHEET: (i32, i32) = (1020, 760);
const HOUSE: Block = Block {
    left: 60,
    top: 60,
    right: 960,
    bottom: 700,
};

/// The floors of the five rooms, in pixels of the sheet.
const FLOORS: [Block; 5] = [
    Block::new(74, 74, 380, 350),
    Block::new(388, 74, 640, 350),
    Block::new(648, 74, 946, 350),
    Block::new(74, 358, 520, 686),
    Block::new(528, 358, 946, 686),
];

type Direction = (i32, i32);

/// The openings of doors, and the directions of the opening and of the leaf's swing.
const DOORS: [(Block, Direction, Direction); 5] = [
    (Block::new(180, 350, 230, 358), (1, 0), (0, -1)),
    (Block::new(430, 350, 480, 358), (1, 0), (0, -1)),
    (Block::new(760, 350, 806, 358), (1, 0), (0, 1)),
    (Block::new(520, 560, 528, 606), (0, 1), (1, 0)),
    (Block::new(60, 420, 74, 472), (0, 1), (1, 0)),
];

const WINDOWS: [Block; 4] = [
    Block::new(160, 60, 280, 74),
    Block::new(460, 60, 570, 74),
    Block::new(946, 140, 960, 260),
    Block::new(640, 686, 780, 700),
];

/// How walls are drawn; strokes are in pixels of the sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WallStyle {
    /// Filled with a brightness, without outlines.
    Filled(u8),
    /// Outlines around a brightness.
    Outlined { stroke: f64, fill: u8 },
    /// Outlines around diagonal lines.
    Hatched { stroke: f64, spacing: f64 },
}

/// The background of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Dark ink on white paper.
    Paper,
    /// Light ink on a dark sheet.
    Dark,
    /// White strokes, nothing else.
    WhiteOnTransparent,
    /// Black strokes, nothing else.
    BlackOnTransparent,
}

/// The surroundings of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surround {
    /// Paper.
    Margin,
    /// A black frame of a thickness, at a distance from the sheet's edge.
    Frame { thickness: i32, inset: i32 },
    /// A black frame of a thickness with a title block inside, at a distance from the edge.
    TitleBlock { thickness: i32, inset: i32 },
    /// Nothing at the left, the top, the right and the bottom: cropped at the outer wall.
    Flush([bool; 4]),
    /// Cropped this deep into the house at its left.
    Cut(i32),
}

/// An image of the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scan {
    pub(super) scale: u32,
    /// The clockwise rotation, in degrees.
    pub(super) rotation: f64,
    /// Brightness of the corners that the rotation uncovers.
    pub(super) corners: u8,
    pub(super) walls: WallStyle,
    /// Brightness of text, furniture and doors.
    pub(super) text: u8,
    pub(super) furnished: bool,
    pub(super) surround: Surround,
    pub(super) ground: Ground,
    /// Salt and pepper, in percent of the pixels.
    pub(super) noise: f64,
    /// Standard deviation of the sensor's noise, in steps of brightness.
    pub(super) grain: f64,
    pub(super) jpeg: Option<u8>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            scale: 1,
            rotation: 0.0,
            corners: PAPER,
            walls: WallStyle::Filled(INK),
            text: INK,
            furnished: true,
            surround: Surround::Margin,
            ground: Ground::Paper,
            noise: 0.0,
            grain: 0.0,
            jpeg: None,
        }
    }
}

/// A room in an image: the area of its floor, and its bounding box with exclusive ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueRoom {
    pub(super) area: f64,
    pub(super) edges: [f64; 4],
}

/// Converts coordinates between an image and the sheet.
#[derive(Clone, Copy)]
struct Camera {
    /// Sine and cosine of the rotation.
    turn: (f64, f64),
    scale: f64,
    /// The cropped sheet's centre.
    centre: (f64, f64),
    /// The picture's size.
    size: (f64, f64),
}

impl Camera {
    fn to_picture(self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = (x - self.centre.0, y - self.centre.1);
        let (sin, cos) = self.turn;
        (
            (x * cos - y * sin) * self.scale + self.size.0 / 2.0,
            (x * sin + y * cos) * self.scale + self.size.1 / 2.0,
        )
    }

    fn to_sheet(self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = (
            (x - self.size.0 / 2.0) / self.scale,
            (y - self.size.1 / 2.0) / self.scale,
        );
        let (sin, cos) = self.turn;
        (
            x * cos + y * sin + self.centre.0,
            y * cos - x * sin + self.centre.1,
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "coordinates and brightnesses are small"
)]
impl Scan {
    /// Pixels of the drawing per pixel of the sheet: it is drawn larger, then reduced.
    fn detail(&self) -> i32 {
        if self.scale == 1 { 3 } else { 4 }
    }

    /// The part of the sheet that the picture shows.
    fn crop(&self) -> Block {
        let mut crop = Block::new(0, 0, SHEET.0, SHEET.1);
        match self.surround {
            Surround::Flush([left, top, right, bottom]) => {
                let pick = |flush: bool, house: i32, sheet: i32| if flush { house } else { sheet };
                crop.left = pick(left, HOUSE.left, crop.left);
                crop.top = pick(top, HOUSE.top, crop.top);
                crop.right = pick(right, HOUSE.right, crop.right);
                crop.bottom = pick(bottom, HOUSE.bottom, crop.bottom);
            }
            Surround::Cut(depth) => crop.left = HOUSE.left + depth,
            Surround::Margin | Surround::Frame { .. } | Surround::TitleBlock { .. } => {}
        }
        crop
    }

    fn camera(&self) -> Camera {
        let crop = self.crop();
        let scale = f64::from(self.scale);
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        let (width, height) = (
            f64::from(crop.right - crop.left) * scale,
            f64::from(crop.bottom - crop.top) * scale,
        );
        let size = if matches!(self.surround, Surround::Flush(_)) && self.rotation != 0.0 {
            // The image contains the whole house.
            (
                (width * cos + height * sin.abs()).ceil(),
                (width * sin.abs() + height * cos).ceil(),
            )
        } else {
            (width, height)
        };
        Camera {
            turn: (sin, cos),
            scale,
            centre: (
                f64::from(crop.left + crop.right) / 2.0,
                f64::from(crop.top + crop.bottom) / 2.0,
            ),
            size,
        }
    }

    /// The rooms in pixels of the picture.
    pub(super) fn rooms(&self) -> Vec<TrueRoom> {
        let camera = self.camera();
        let crop = self.crop();
        FLOORS
            .iter()
            .filter(|floor| floor.left >= crop.left)
            .map(|floor| {
                let corners = [
                    (floor.left, floor.top),
                    (floor.right, floor.top),
                    (floor.left, floor.bottom),
                    (floor.right, floor.bottom),
                ]
                .map(|(x, y)| camera.to_picture((x.into(), y.into())));
                let least = |of: fn(&(f64, f64)) -> f64| corners.iter().map(of).reduce(f64::min);
                let most = |of: fn(&(f64, f64)) -> f64| corners.iter().map(of).reduce(f64::max);
                TrueRoom {
                    area: floor.area() * camera.scale * camera.scale,
                    edges: [
                        least(|corner| corner.0),
                        least(|corner| corner.1),
                        most(|corner| corner.0),
                        most(|corner| corner.1),
                    ]
                    .map(|edge| edge.expect("four corners")),
                }
            })
            .collect()
    }

    /// The sheet, larger than the picture.
    #[expect(
        clippy::too_many_lines,
        reason = "one drawing, from the back to the front"
    )]
    fn sheet(&self) -> GrayImage {
        let detail = self.detail();
        let side = |length: i32| u32::try_from(length * detail).expect("positive");
        let large = |block: Block| {
            Block::new(
                block.left * detail,
                block.top * detail,
                block.right * detail,
                block.bottom * detail,
            )
        };
        let stroke = |width: f64| (width * f64::from(detail)).round() as i32;

        let mut solid = Drawing::new(side(SHEET.0), side(SHEET.1));
        solid.wall(large(HOUSE));
        for floor in FLOORS {
            solid.opening(large(floor));
        }
        for (door, ..) in DOORS {
            solid.opening(large(door));
        }
        for window in WINDOWS {
            solid.opening(large(window));
        }

        let mut sheet = Drawing::new(side(SHEET.0), side(SHEET.1));
        sheet.ink = self.text;
        for window in WINDOWS {
            sheet.furniture(large(window), stroke(1.4));
        }
        for (door, along, swing) in DOORS {
            let across = (swing.0 + swing.1) > 0;
            let hinge = match along {
                (1, 0) => (door.left, if across { door.bottom } else { door.top }),
                _ => (if across { door.right } else { door.left }, door.top),
            };
            let width = (door.right - door.left).max(door.bottom - door.top);
            sheet.leaf(
                Leaf {
                    hinge: (hinge.0 * detail, hinge.1 * detail),
                    along,
                    swing,
                    width: width * detail,
                },
                stroke(1.4),
            );
        }
        if self.furnished {
            for floor in FLOORS {
                let sofa = Block::new(
                    floor.left + 70,
                    floor.bottom - 90,
                    floor.left + 190,
                    floor.bottom - 40,
                );
                sheet.furniture(large(sofa), stroke(1.6)).text(
                    "BATHROOM",
                    ((floor.left + 60) * detail, (floor.top + 100) * detail),
                    2 * detail,
                );
            }
        }
        sheet.ink = INK.min(self.text);
        match self.surround {
            Surround::Frame { thickness, inset } | Surround::TitleBlock { thickness, inset } => {
                let frame = Block::new(inset, inset, SHEET.0 - inset, SHEET.1 - inset);
                sheet.furniture(large(frame), thickness * detail);
                if matches!(self.surround, Surround::TitleBlock { .. }) {
                    let title = Block::new(760, 712, SHEET.0 - inset, SHEET.1 - inset);
                    sheet.furniture(large(title), 3 * detail);
                    sheet.text("HALL", (780 * detail, 722 * detail), 2 * detail);
                }
            }
            Surround::Margin | Surround::Flush(_) | Surround::Cut(_) => {}
        }

        let line = match self.walls {
            WallStyle::Filled(_) => 0.0,
            WallStyle::Outlined { stroke, .. } | WallStyle::Hatched { stroke, .. } => stroke,
        };
        let inside = |width: f64| {
            let mut inverse = solid.pixels.clone();
            imageops::invert(&mut inverse);
            let reach = u8::try_from(stroke(width)).expect("a stroke");
            erode(&inverse, Norm::LInf, reach)
        };
        let inside = (line > 0.0).then(|| inside(line));
        for (x, y, pixel) in sheet.pixels.enumerate_pixels_mut() {
            if solid.pixels.get_pixel(x, y).0[0] == PAPER {
                continue;
            }
            let is_inside = inside
                .as_ref()
                .is_some_and(|inside| inside.get_pixel(x, y).0[0] > 128);
            pixel.0[0] = match self.walls {
                WallStyle::Filled(fill) => fill,
                WallStyle::Outlined { fill, .. } if is_inside => fill,
                WallStyle::Hatched { spacing, stroke } if is_inside => {
                    let phase = f64::from(x + y) / f64::from(detail) % spacing;
                    if phase < stroke { INK } else { PAPER }
                }
                WallStyle::Outlined { .. } | WallStyle::Hatched { .. } => INK,
            };
        }
        sheet.pixels
    }

    /// The image of the camera or the scanner, before it is encoded.
    pub(super) fn picture(&self) -> GrayImage {
        let sheet = self.sheet();
        let camera = self.camera();
        let crop = self.crop();
        let detail = f64::from(self.detail());
        let samples = 3_u32;
        let at = |x: f64, y: f64| -> u32 {
            let (x, y) = camera.to_sheet((x, y));
            let inside = x >= f64::from(crop.left)
                && y >= f64::from(crop.top)
                && x < f64::from(crop.right)
                && y < f64::from(crop.bottom);
            if !inside {
                return u32::from(self.corners);
            }
            u32::from(sheet.get_pixel((x * detail) as u32, (y * detail) as u32).0[0])
        };
        let mut picture = GrayImage::from_fn(camera.size.0 as u32, camera.size.1 as u32, |x, y| {
            let step = |step: u32| (f64::from(step) + 0.5) / f64::from(samples);
            let mut sum = 0;
            for down in 0..samples {
                for across in 0..samples {
                    sum += at(f64::from(x) + step(across), f64::from(y) + step(down));
                }
            }
            Luma([(sum / (samples * samples)) as u8])
        });
        if self.ground == Ground::Dark {
            imageops::invert(&mut picture);
        }
        let mut random = noise();
        let mut random = || {
            f64::from(u16::from_le_bytes(
                [0; 2].map(|_: u8| random.next().unwrap_or(0)),
            )) / 65536.0
        };
        if self.grain > 0.0 {
            for pixel in picture.pixels_mut() {
                // The sum of four even distributions is close to a normal one.
                let deviation = (random() + random() + random() + random() - 2.0) * 3.0_f64.sqrt();
                pixel.0[0] =
                    (f64::from(pixel.0[0]) + deviation * self.grain).clamp(0.0, 255.0) as u8;
            }
        }
        if self.noise > 0.0 {
            for pixel in picture.pixels_mut() {
                if random() < self.noise / 100.0 {
                    pixel.0[0] = if random() < 0.5 { 0 } else { 255 };
                }
            }
        }
        picture
    }

    /// The plan as the stages receive it.
    pub(super) fn plan(&self) -> FloorPlan {
        let picture = self.picture();
        if let Some(quality) = self.jpeg {
            let drawing = Drawing {
                pixels: picture,
                ink: INK,
            };
            return FloorPlan::decode(&drawing.jpeg(quality)).expect("an image");
        }
        let light = match self.ground {
            Ground::Paper | Ground::Dark => return FloorPlan::from_brightness(picture),
            Ground::WhiteOnTransparent => 255,
            Ground::BlackOnTransparent => 0,
        };
        let strokes = RgbaImage::from_fn(picture.width(), picture.height(), |x, y| {
            Rgba([light, light, light, 255 - picture.get_pixel(x, y).0[0]])
        });
        let mut bytes = Cursor::new(Vec::new());
        strokes
            .write_to(&mut bytes, ImageFormat::Png)
            .expect("memory takes it");
        FloorPlan::decode(&bytes.into_inner()).expect("an image")
    }
}
