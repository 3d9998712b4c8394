//! Errors for inputs that are not floor plans.

use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbaImage};
use std::io::Cursor;

use super::{Block, Drawing, FloorPlan, houses::House, never_stop, noise, rooms_of, walls_of};
use crate::stages::{plan::PlanError, rooms};

fn refusal(bytes: &[u8]) -> PlanError {
    FloorPlan::decode(bytes).expect_err("a refusal")
}

fn house() -> House {
    House {
        margin: 20,
        wall: 6,
        columns: vec![120, 140],
        rows: vec![130],
        door: 30,
        door_places: vec![0.5],
        stroke: 1,
        letter_cell: 1,
    }
}

fn no_walls(pixels: GrayImage) -> String {
    let error = walls_of(&FloorPlan::from_brightness(pixels)).expect_err("no walls");
    assert_eq!(error.code(), "no_walls");
    error.to_string()
}

#[test]
fn empty_input_is_rejected() {
    assert_eq!(refusal(b"").code(), "empty_input");
}

#[test]
fn other_format_is_rejected_with_its_first_bytes() {
    let error = refusal(b"%PDF-1.7 and so on");
    assert_eq!(error.code(), "not_an_image");
    assert!(error.to_string().contains(r#""%PDF-1.7 and""#), "{error}");
    assert_eq!(refusal(b"GIF89a......").code(), "not_an_image");
}

#[test]
fn image_truncated_at_any_position_is_broken() {
    for bytes in [house().draw().png(), house().draw().jpeg(80)] {
        for part in [4, 40, 70, 95] {
            let cut = &bytes[..bytes.len() * part / 100];
            assert_eq!(refusal(cut).code(), "broken_image", "{part} %");
        }
    }
    let jpeg = house().draw().jpeg(80);
    assert_eq!(refusal(&jpeg[..jpeg.len() - 2]).code(), "broken_image");
}

/// A PNG of one row that claims another size.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Drawing::new(8, 1).png();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32(&bytes[12..29]).to_be_bytes();
    bytes[29..33].copy_from_slice(&checksum);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

#[test]
fn size_over_the_limits_is_rejected_by_the_header_alone() {
    // None of these has pixels to decode, so the error is based on the header.
    for (width, height) in [(8_001, 10), (10, 8_001), (7_000, 6_000), (1 << 30, 1 << 30)] {
        let error = refusal(&png_claiming(width, height));
        assert_eq!(error.code(), "image_too_large", "{error}");
        if width < 1 << 30 {
            assert!(
                error.to_string().contains(&format!("{width} x {height}")),
                "{error}"
            );
        }
    }
    assert_eq!(refusal(&png_claiming(8_000, 5_000)).code(), "broken_image");
}

#[test]
fn transparent_background_is_paper() {
    let drawn = house().draw().pixels;
    let see_through = RgbaImage::from_fn(drawn.width(), drawn.height(), |x, y| {
        let dark = drawn.get_pixel(x, y).0[0] < 128;
        image::Rgba([0, 0, 0, if dark { 255 } else { 0 }])
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(see_through)
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("memory takes it");
    let plan = FloorPlan::decode(&bytes.into_inner()).expect("an image");
    assert_eq!(rooms_of(&plan).len(), 2);
}

#[test]
fn blank_sheet_has_no_walls() {
    let message = no_walls(GrayImage::from_pixel(600, 400, Luma([250])));
    assert!(message.contains("differ by only 0 of 255"), "{message}");
    let mut grain = noise();
    let paper = GrayImage::from_fn(600, 400, |_, _| {
        Luma([230 + grain.next().unwrap_or(0) / 16])
    });
    assert!(no_walls(paper).contains("differ by only"));
    assert!(!no_walls(GrayImage::new(1, 1)).is_empty());
}

#[test]
fn noise_and_photographs_have_no_walls() {
    let mut grain = noise();
    let noisy = GrayImage::from_fn(600, 400, |_, _| Luma([grain.next().unwrap_or(0)]));
    let plan = FloorPlan::from_brightness(noisy.clone());
    assert_eq!(walls_of(&plan).expect_err("noise").code(), "image_noisy");
    // Blots of every size, like trees and clouds.
    for sigma in [2.0, 4.0, 8.0, 16.0] {
        let mut blots = image::imageops::blur(&noisy, sigma);
        let (least, most) = blots
            .iter()
            .fold((255, 0), |(least, most), &b| (b.min(least), b.max(most)));
        imageproc::contrast::stretch_contrast_mut(&mut blots, least, most, 0, 255);
        no_walls(blots);
    }
    let shade = GrayImage::from_fn(600, 400, |x, y| {
        Luma([u8::try_from((x + y) / 4).unwrap_or(255)])
    });
    no_walls(shade);
}

#[test]
fn text_alone_has_no_walls() {
    let mut drawing = Drawing::new(600, 400);
    for line in 0..12 {
        drawing.text("THE BATH IS LITTLE", (20, 20 + 30 * line), 3);
    }
    no_walls(drawing.pixels);
}

#[test]
fn walls_without_rooms_report_the_maximum_door_width() {
    let mut drawing = Drawing::new(700, 500);
    drawing.wall(Block::new(40, 40, 660, 50));
    drawing.wall(Block::new(40, 40, 50, 460));
    let plan = FloorPlan::from_brightness(drawing.pixels);
    let walls = walls_of(&plan).expect("walls");
    let error = rooms::find(&plan, &walls, &mut *never_stop()).expect_err("no rooms");
    assert_eq!(error.code(), "no_rooms");
    assert!(
        error.to_string().contains("wider than 136 pixels"),
        "{error}"
    );
}

#[test]
fn exif_orientation_is_applied() {
    let drawn = house().draw();
    let upright = FloorPlan::decode(&drawn.jpeg(90)).expect("an image");
    let mut jpeg = drawn.jpeg(90);
    // An Exif segment with one entry: orientation 6, a rotation of 90 degrees clockwise.
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    jpeg.splice(2..2, exif.iter().copied());
    let turned = FloorPlan::decode(&jpeg).expect("an image");
    assert_eq!(
        turned.brightness(),
        &image::imageops::rotate90(upright.brightness())
    );
}
