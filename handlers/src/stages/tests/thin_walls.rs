//! Thin inner walls, and lines that may be mistaken for them: a frame, text, furniture.

use super::{
    FloorPlan, Mask, check,
    houses::House,
    never_stop, rectangles, rooms_of,
    scans::{Scan, Surround, WallStyle},
    sweep::{ScanResult, scan_result},
};
use crate::stages::{report::Passes, thickness::Thicknesses};

/// Straightening leaves walls of 8 pixels at 7 in places, and a frame of 6 at 5.
#[test]
fn thin_walls_are_kept_beside_a_frame_that_is_nearly_as_thick() {
    let mut mask = Mask::new(800, 600);
    let mut line = |left: usize, thickness: usize, rows| mask.fill(left..left + thickness, rows);
    for left in [10, 760] {
        line(left, 6, 10..590);
        line(left + 20, 5, 10..110);
    }
    for left in [60, 700] {
        line(left, 14, 60..560);
    }
    line(300, 8, 60..440);
    line(301, 7, 440..500);
    let mut report = never_stop();
    let mut passes = Passes::new(&mut *report);
    let mut lines = Thicknesses::new(mask.size());
    lines
        .add(&mask, &mut passes.next("Measuring...", 50, mask.size()))
        .expect("no stop");
    let thickness = lines.of_walls().expect("walls");
    assert_eq!((thickness.typical, thickness.thinnest), (14, 5));
}

#[test]
fn thin_walls_are_kept_in_a_rotated_plan_in_a_frame() {
    for surround in [
        Surround::Frame {
            thickness: 6,
            inset: 16,
        },
        Surround::TitleBlock {
            thickness: 6,
            inset: 10,
        },
    ] {
        let scan = Scan {
            surround,
            rotation: 1.4,
            ..Scan::default()
        };
        assert_eq!(scan_result(&scan), ScanResult::Right, "{scan:?}");
    }
}

/// The edges of black text are as dark as grey walls, but must not influence their threshold.
#[test]
fn thin_grey_walls_are_kept_in_a_rotated_plan_with_black_text() {
    for rotation in [1.1, 1.4] {
        let scan = Scan {
            walls: WallStyle::Filled(200),
            rotation,
            ..Scan::default()
        };
        assert_eq!(scan_result(&scan), ScanResult::Right, "{scan:?}");
    }
}

#[test]
fn closed_furniture_in_a_small_house_is_not_filled() {
    let house = House {
        margin: 51,
        wall: 13,
        columns: vec![177],
        rows: vec![93, 124],
        door: 44,
        door_places: vec![0.0],
        stroke: 3,
        letter_cell: 3,
    };
    let plan = FloorPlan::decode(&house.draw().jpeg(81)).expect("an image");
    check(&rooms_of(&plan), &rectangles(&house.floors())).expect("the drawn rooms");
}
