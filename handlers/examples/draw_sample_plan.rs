//! Draws the sample plan for the progress page and the tests:
//! `cargo run -p handlers --example draw_sample_plan`.

use std::path::Path;

use image::{
    Rgb, RgbImage,
    imageops::{self, FilterType},
};

/// The plan is drawn this many times larger and then reduced, which smooths edges.
const SCALE: u32 = 4;
const SIZE: (u32, u32) = (900, 650);

const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const WALL: Rgb<u8> = Rgb([31, 41, 55]);
const GLASS: Rgb<u8> = Rgb([71, 85, 105]);
const FURNITURE: Rgb<u8> = Rgb([148, 163, 184]);
const LETTER: Rgb<u8> = Rgb([100, 116, 139]);
const TILE: Rgb<u8> = Rgb([226, 232, 240]);

type Point = (f32, f32);

/// Left, top, right, bottom.
type Block = [f32; 4];

fn main() -> Result<(), image::ImageError> {
    let mut sheet = Sheet::new();
    house(&mut sheet);
    furniture(&mut sheet);
    labels(&mut sheet);
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/floor-plan/sample-plan.png");
    imageops::resize(&sheet.pixels, SIZE.0, SIZE.1, FilterType::Triangle).save(path)
}

fn house(sheet: &mut Sheet) {
    sheet.fill([60.0, 50.0, 840.0, 600.0], WALL);
    for floor in [
        [72.0, 62.0, 380.0, 330.0],
        [388.0, 62.0, 590.0, 240.0],
        [598.0, 62.0, 700.0, 240.0],
        [708.0, 62.0, 828.0, 240.0],
        [388.0, 248.0, 828.0, 330.0],
        [72.0, 338.0, 300.0, 588.0],
        [308.0, 338.0, 560.0, 588.0],
        [568.0, 338.0, 828.0, 588.0],
    ] {
        sheet.fill(floor, PAPER);
    }
    sheet.tiles([388.0, 62.0, 590.0, 240.0], 20.2);
    sheet.tiles([598.0, 62.0, 700.0, 240.0], 17.0);
    for window in [
        [140.0, 50.0, 300.0, 62.0],
        [440.0, 50.0, 540.0, 62.0],
        [630.0, 50.0, 670.0, 62.0],
        [738.0, 50.0, 798.0, 62.0],
        [60.0, 130.0, 72.0, 250.0],
        [120.0, 588.0, 250.0, 600.0],
        [384.0, 588.0, 484.0, 600.0],
        [640.0, 588.0, 760.0, 600.0],
        [828.0, 420.0, 840.0, 520.0],
    ] {
        sheet.window(window);
    }
    // The hinge, the direction along the wall, the direction of the leaf's swing, the width of the opening,
    // and the thickness of the wall.
    for (hinge, along, swing, width, wall) in [
        ((828.0, 310.0), (0.0, -1.0), (-1.0, 0.0), 50.0, 12.0),
        ((380.0, 312.0), (0.0, -1.0), (-1.0, 0.0), 46.0, 8.0),
        ((424.0, 240.0), (1.0, 0.0), (0.0, -1.0), 46.0, 8.0),
        ((668.0, 240.0), (-1.0, 0.0), (0.0, -1.0), 40.0, 8.0),
        ((790.0, 240.0), (-1.0, 0.0), (0.0, -1.0), 44.0, 8.0),
        ((220.0, 338.0), (-1.0, 0.0), (0.0, 1.0), 56.0, 8.0),
        ((450.0, 338.0), (1.0, 0.0), (0.0, 1.0), 46.0, 8.0),
        ((618.0, 338.0), (1.0, 0.0), (0.0, 1.0), 46.0, 8.0),
    ] {
        sheet.door(hinge, along, swing, width, wall);
    }
}

fn furniture(sheet: &mut Sheet) {
    for (block, radius) in [
        // Living room: sofa, its back and seats, low table, shelf.
        ([84.0, 90.0, 130.0, 240.0], 8.0),
        ([84.0, 90.0, 98.0, 240.0], 5.0),
        ([98.0, 98.0, 130.0, 165.0], 4.0),
        ([98.0, 165.0, 130.0, 232.0], 4.0),
        ([168.0, 130.0, 218.0, 200.0], 10.0),
        ([300.0, 76.0, 372.0, 98.0], 2.0),
        // Kitchen: counter, sink, hob.
        ([394.0, 68.0, 584.0, 100.0], 2.0),
        ([466.0, 73.0, 514.0, 95.0], 5.0),
        ([536.0, 73.0, 578.0, 95.0], 2.0),
        // Bath: tub, basin, toilet.
        ([604.0, 70.0, 640.0, 150.0], 4.0),
        ([608.0, 74.0, 636.0, 146.0], 12.0),
        ([666.0, 72.0, 694.0, 98.0], 6.0),
        ([682.0, 116.0, 694.0, 144.0], 3.0),
        ([662.0, 119.0, 682.0, 141.0], 9.0),
        // Study: desk, screen, chair.
        ([716.0, 72.0, 820.0, 104.0], 3.0),
        ([746.0, 78.0, 790.0, 84.0], 2.0),
        ([756.0, 108.0, 780.0, 130.0], 8.0),
        // Dining: table and chairs.
        ([118.0, 430.0, 254.0, 500.0], 6.0),
        ([132.0, 408.0, 160.0, 428.0], 5.0),
        ([172.0, 408.0, 200.0, 428.0], 5.0),
        ([212.0, 408.0, 240.0, 428.0], 5.0),
        ([132.0, 502.0, 160.0, 522.0], 5.0),
        ([172.0, 502.0, 200.0, 522.0], 5.0),
        ([212.0, 502.0, 240.0, 522.0], 5.0),
        // Bedroom 1: bed, pillows, wardrobe.
        ([324.0, 470.0, 424.0, 582.0], 5.0),
        ([332.0, 552.0, 370.0, 576.0], 6.0),
        ([378.0, 552.0, 416.0, 576.0], 6.0),
        ([526.0, 400.0, 554.0, 560.0], 2.0),
        // Bedroom 2: bed, pillow, desk.
        ([712.0, 440.0, 822.0, 500.0], 5.0),
        ([794.0, 448.0, 816.0, 492.0], 6.0),
        ([576.0, 552.0, 690.0, 582.0], 3.0),
        ([618.0, 530.0, 646.0, 550.0], 7.0),
    ] {
        sheet.outline(block, radius, FURNITURE);
    }
    for center in [(546.0, 79.0), (546.0, 89.0), (567.0, 79.0), (567.0, 89.0)] {
        sheet.circle(center, 3.6, FURNITURE);
    }
    sheet.stroke(&[(324.0, 540.0), (424.0, 540.0)], 1.4, FURNITURE);
    sheet.stroke(&[(784.0, 440.0), (784.0, 500.0)], 1.4, FURNITURE);
    sheet.stroke(&[(540.0, 400.0), (540.0, 560.0)], 1.4, FURNITURE);
}

fn labels(sheet: &mut Sheet) {
    for (words, center) in [
        ("LIVING ROOM", (256.0, 262.0)),
        ("KITCHEN", (490.0, 150.0)),
        ("BATH", (640.0, 174.0)),
        ("STUDY", (768.0, 160.0)),
        ("HALL", (572.0, 289.0)),
        ("DINING", (186.0, 465.0)),
        ("BEDROOM 1", (436.0, 425.0)),
        ("BEDROOM 2", (700.0, 405.0)),
    ] {
        sheet.words(words, center, 11.0);
    }
}

struct Sheet {
    pixels: RgbImage,
}

impl Sheet {
    fn new() -> Self {
        Self {
            pixels: RgbImage::from_pixel(SIZE.0 * SCALE, SIZE.1 * SCALE, PAPER),
        }
    }

    /// Colours the points within a block that satisfy a condition.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "places on a small sheet"
    )]
    fn paint(
        &mut self,
        [left, top, right, bottom]: Block,
        colour: Rgb<u8>,
        is_in: impl Fn(Point) -> bool,
    ) {
        let scale = SCALE as f32;
        let first = |at: f32| (at * scale).floor().max(0.0) as u32;
        let last = |at: f32, size: u32| ((at * scale).ceil() as u32).min(size);
        for y in first(top)..last(bottom, self.pixels.height()) {
            for x in first(left)..last(right, self.pixels.width()) {
                let center = ((x as f32 + 0.5) / scale, (y as f32 + 0.5) / scale);
                if is_in(center) {
                    self.pixels.put_pixel(x, y, colour);
                }
            }
        }
    }

    fn fill(&mut self, block: Block, colour: Rgb<u8>) {
        self.paint(block, colour, |_| true);
    }

    /// Draws a line through points, with round ends.
    fn stroke(&mut self, points: &[Point], width: f32, colour: Rgb<u8>) {
        let half = width / 2.0;
        for pair in points.windows(2) {
            let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
            let around = [
                x1.min(x2) - half,
                y1.min(y2) - half,
                x1.max(x2) + half,
                y1.max(y2) + half,
            ];
            let (dx, dy) = (x2 - x1, y2 - y1);
            let length_squared = (dx * dx + dy * dy).max(f32::EPSILON);
            self.paint(around, colour, |(x, y)| {
                let along = (((x - x1) * dx + (y - y1) * dy) / length_squared).clamp(0.0, 1.0);
                (x - x1 - along * dx).hypot(y - y1 - along * dy) <= half
            });
        }
    }

    /// Draws the outline of a block with round corners.
    fn outline(&mut self, [left, top, right, bottom]: Block, radius: f32, colour: Rgb<u8>) {
        let corners = [
            ((right - radius, top + radius), -90.0),
            ((right - radius, bottom - radius), 0.0),
            ((left + radius, bottom - radius), 90.0),
            ((left + radius, top + radius), 180.0),
        ];
        let mut points: Vec<Point> = corners
            .into_iter()
            .flat_map(|(center, from)| arc(center, radius, from, 90.0))
            .collect();
        points.push(points[0]);
        self.stroke(&points, 1.4, colour);
    }

    fn circle(&mut self, center: Point, radius: f32, colour: Rgb<u8>) {
        self.stroke(&arc(center, radius, 0.0, 360.0), 1.2, colour);
    }

    fn tiles(&mut self, [left, top, right, bottom]: Block, side: f32) {
        let mut x = left + side;
        while x < right - 1.0 {
            self.stroke(&[(x, top), (x, bottom)], 0.8, TILE);
            x += side;
        }
        let mut y = top + side;
        while y < bottom - 1.0 {
            self.stroke(&[(left, y), (right, y)], 0.8, TILE);
            y += side;
        }
    }

    /// Draws the edges of three panes along a wall.
    fn window(&mut self, block: Block) {
        self.fill(block, PAPER);
        let [left, top, right, bottom] = block;
        for share in [0.06, 0.5, 0.94] {
            let ends = if right - left > bottom - top {
                let y = top + share * (bottom - top);
                [(left, y), (right, y)]
            } else {
                let x = left + share * (right - left);
                [(x, top), (x, bottom)]
            };
            self.stroke(&ends, 1.5, GLASS);
        }
    }

    /// Draws an opening in a wall next to the hinge, with its open leaf and the arc of its swing.
    fn door(&mut self, hinge: Point, along: Point, swing: Point, width: f32, wall: f32) {
        let far = (
            hinge.0 + along.0 * width - swing.0 * wall,
            hinge.1 + along.1 * width - swing.1 * wall,
        );
        self.fill(
            [
                hinge.0.min(far.0),
                hinge.1.min(far.1),
                hinge.0.max(far.0),
                hinge.1.max(far.1),
            ],
            PAPER,
        );
        let leaf = (hinge.0 + swing.0 * width, hinge.1 + swing.1 * width);
        self.stroke(&[hinge, leaf], 2.2, GLASS);
        let from = along.1.atan2(along.0).to_degrees();
        // A quarter turn from the wall to the leaf.
        let turn = 90.0 * (along.0 * swing.1 - along.1 * swing.0);
        self.stroke(&arc(hinge, width, from, turn), 0.9, FURNITURE);
    }

    /// Writes text in capitals around a point. `height` is that of a letter.
    fn words(&mut self, words: &str, center: Point, height: f32) {
        let unit = height / 6.0;
        let advance = |letter: char| glyph(letter).0 + 1.9;
        let width: f32 = words.chars().map(advance).sum::<f32>() - 1.9;
        let mut x = center.0 - width * unit / 2.0;
        for letter in words.chars() {
            for line in glyph(letter).1.split(';') {
                let points: Vec<Point> = line
                    .split_whitespace()
                    .filter_map(|point| point.split_once(','))
                    .filter_map(|(dx, dy)| Some((dx.parse().ok()?, dy.parse().ok()?)))
                    .map(|(dx, dy): Point| (x + dx * unit, center.1 + (dy - 3.0) * unit))
                    .collect();
                self.stroke(&points, 1.5, LETTER);
            }
            x += advance(letter) * unit;
        }
    }
}

/// Points on an arc; angles in degrees, clockwise from the right as rows grow downwards.
fn arc((x, y): Point, radius: f32, from: f32, turn: f32) -> Vec<Point> {
    (0..=24_u8)
        .map(|step| {
            let angle = (from + turn * f32::from(step) / 24.0).to_radians();
            (x + radius * angle.cos(), y + radius * angle.sin())
        })
        .collect()
}

/// A letter with a height of six units: its width, and its lines, each from point to point.
fn glyph(letter: char) -> (f32, &'static str) {
    match letter {
        '1' => (1.6, "0,1.4 1.6,0 1.6,6"),
        '2' => (
            3.4,
            "0.2,1.4 0.8,0.3 1.8,0 2.8,0.4 3.2,1.5 2.8,2.6 0,6 3.4,6",
        ),
        'A' => (4.4, "0,6 2.2,0 4.4,6; 0.8,4 3.6,4"),
        'B' => (
            3.5,
            "0,3 2.2,3 3.3,3.5 3.5,4.5 3.2,5.5 2.2,6 0,6 0,0 2,0 3,0.5 3.2,1.5 2.9,2.5 2,3",
        ),
        'C' => (
            4.2,
            "4.2,1.3 3.3,0.3 2.2,0 0.9,0.6 0.1,2 0.1,4 0.9,5.4 2.2,6 3.3,5.7 4.2,4.7",
        ),
        'D' => (4.0, "0,0 1.8,0 3.2,0.7 4,2.1 4,3.9 3.2,5.3 1.8,6 0,6 0,0"),
        'E' => (3.2, "3.2,0 0,0 0,6 3.2,6; 0,3 2.7,3"),
        'G' => (
            4.4,
            "4.2,1.3 3.3,0.3 2.2,0 0.9,0.6 0.1,2 0.1,4 0.9,5.4 2.2,6 3.5,5.5 4.3,4.3 \
             4.3,3.3 2.6,3.3",
        ),
        'H' => (3.8, "0,0 0,6; 3.8,0 3.8,6; 0,3 3.8,3"),
        'I' => (0.0, "0,0 0,6"),
        'K' => (3.6, "0,0 0,6; 3.6,0 0,3.7; 1.4,2.4 3.6,6"),
        'L' => (3.0, "0,0 0,6 3,6"),
        'M' => (4.6, "0,6 0,0 2.3,3.8 4.6,0 4.6,6"),
        'N' => (3.8, "0,6 0,0 3.8,6 3.8,0"),
        'O' => (
            4.6,
            "2.3,0 0.9,0.6 0.1,2 0.1,4 0.9,5.4 2.3,6 3.7,5.4 4.5,4 4.5,2 3.7,0.6 2.3,0",
        ),
        'R' => (
            3.5,
            "0,6 0,0 2,0 3,0.5 3.3,1.6 3,2.7 2,3.2 0,3.2; 1.9,3.2 3.5,6",
        ),
        'S' => (
            3.4,
            "3.2,1 2.5,0.2 1.6,0 0.5,0.4 0.1,1.4 0.6,2.4 1.7,2.9 2.8,3.4 3.4,4.4 3,5.5 \
             1.8,6 0.7,5.8 0,4.9",
        ),
        'T' => (3.8, "0,0 3.8,0; 1.9,0 1.9,6"),
        'U' => (3.8, "0,0 0,4 0.5,5.4 1.9,6 3.3,5.4 3.8,4 3.8,0"),
        'V' => (4.2, "0,0 2.1,6 4.2,0"),
        'Y' => (4.0, "0,0 2,3 4,0; 2,3 2,6"),
        _ => (1.2, ""),
    }
}
