//! The end of a JPEG image.

use super::{Block, Drawing, FloorPlan};
use crate::stages::plan::PlanError;

fn plan() -> Vec<u8> {
    let mut drawing = Drawing::new(200, 150);
    drawing
        .wall(Block::new(20, 20, 180, 130))
        .opening(Block::new(26, 26, 174, 124));
    drawing.jpeg(80)
}

fn refusal(bytes: &[u8]) -> String {
    let error = FloorPlan::decode(bytes).expect_err("a refusal");
    assert!(matches!(error, PlanError::Broken { .. }), "{error}");
    error.to_string()
}

/// Inserts a segment for application data, at most 64 KB, after the start of the image.
fn with_segment(jpeg: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("a segment");
    let segment = [&[0xff, 0xe1][..], &length.to_be_bytes(), content].concat();
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

#[test]
fn data_after_the_end_of_a_jpeg_is_ignored() {
    let jpeg = plan();
    let plain = FloorPlan::decode(&jpeg).expect("an image");
    // The video of a motion photo, which may contain any marker; another image; zeros.
    for after in [
        b"\xff\xda\x00\x01mp4\xff\xd8\xff\xda".to_vec(),
        jpeg.clone(),
        vec![0; 9],
    ] {
        let longer = [jpeg.clone(), after].concat();
        let decoded = FloorPlan::decode(&longer).expect("an image");
        assert_eq!(decoded.brightness(), plain.brightness());
    }
}

#[test]
fn marker_inside_a_segment_does_not_end_the_image() {
    let jpeg = plan();
    let thumbnail = with_segment(&jpeg, b"Exif\0\0\xff\xd8\xff\xda\x00\x02\xff\xd9");
    assert!(FloorPlan::decode(&thumbnail).is_ok());
    // The end of the thumbnail is not the end of the image.
    for part in [60, 90] {
        let cut = &thumbnail[..thumbnail.len() * part / 100];
        assert!(refusal(cut).contains("ends before its last pixel"));
    }
}

#[test]
fn truncated_jpeg_followed_by_another_is_rejected() {
    let jpeg = plan();
    for part in (5..100).step_by(5) {
        let cut = &jpeg[..jpeg.len() * part / 100];
        refusal(&[cut, &jpeg].concat());
    }
    let message = refusal(&[&jpeg[..jpeg.len() * 6 / 10], &jpeg].concat());
    assert!(message.contains("another image begins"), "{message}");
}
