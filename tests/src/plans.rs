//! Generates floor plans with known rooms.

use std::sync::LazyLock;

use image::{ExtendedColorType, GrayImage, ImageEncoder as _, Luma, codecs::png::PngEncoder};

/// Thickness of the walls, in pixels.
const WALL: u32 = 8;
/// Width of the door openings, in pixels.
const DOOR: u32 = 40;
/// Width and height of a room, in pixels.
const ROOM: (u32, u32) = (200, 160);
const COLUMNS: u32 = 3;
const ROWS: u32 = 2;
const MARGIN: u32 = 40;

/// The number of rooms of [`HOUSE`].
pub const ROOMS: usize = (COLUMNS * ROWS) as usize;
/// The area of each room of [`HOUSE`], in pixels.
pub const ROOM_AREA: u64 = (ROOM.0 * ROOM.1) as u64;

/// A PNG of six rooms of the same size, with doors between neighbours.
pub static HOUSE: LazyLock<Vec<u8>> = LazyLock::new(house);

fn house() -> Vec<u8> {
    let (step_x, step_y) = (ROOM.0 + WALL, ROOM.1 + WALL);
    let width = 2 * MARGIN + COLUMNS * step_x + WALL;
    let height = 2 * MARGIN + ROWS * step_y + WALL;
    let mut plan = GrayImage::from_pixel(width, height, Luma([255]));
    let mut fill = |x: u32, y: u32, width: u32, height: u32, brightness: u8| {
        for row in y..y + height {
            for column in x..x + width {
                plan.put_pixel(column, row, Luma([brightness]));
            }
        }
    };
    for column in 0..=COLUMNS {
        fill(
            MARGIN + column * step_x,
            MARGIN,
            WALL,
            ROWS * step_y + WALL,
            0,
        );
    }
    for row in 0..=ROWS {
        fill(
            MARGIN,
            MARGIN + row * step_y,
            COLUMNS * step_x + WALL,
            WALL,
            0,
        );
    }
    for row in 0..ROWS {
        for column in 1..COLUMNS {
            let (x, y) = (MARGIN + column * step_x, MARGIN + row * step_y);
            fill(x, y + WALL + 60, WALL, DOOR, 255);
        }
    }
    for row in 1..ROWS {
        fill(MARGIN + WALL + 80, MARGIN + row * step_y, DOOR, WALL, 255);
    }
    png(&plan)
}

/// A PNG of one colour.
pub fn blank(width: u32, height: u32) -> Vec<u8> {
    png(&GrayImage::from_pixel(width, height, Luma([255])))
}

/// A PNG of a few bytes whose header declares 20,000 x 20,000 pixels.
pub fn bomb() -> Vec<u8> {
    const SIZE_AT: usize = 16;
    const CHUNK: std::ops::Range<usize> = 12..29;
    let mut bytes = blank(1, 1);
    let side = 20_000_u32.to_be_bytes();
    bytes[SIZE_AT..SIZE_AT + 4].copy_from_slice(&side);
    bytes[SIZE_AT + 4..SIZE_AT + 8].copy_from_slice(&side);
    let checksum = crc32fast::hash(&bytes[CHUNK]).to_be_bytes();
    bytes[CHUNK.end..CHUNK.end + 4].copy_from_slice(&checksum);
    bytes
}

fn png(picture: &GrayImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::L8,
        )
        .expect("a PNG");
    bytes
}
