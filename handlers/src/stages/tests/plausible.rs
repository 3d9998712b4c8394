//! Rooms that are not plausible.

use super::{Block, Drawing, FloorPlan, Mask, never_stop, walls_of};
use crate::stages::{
    necks,
    report::Passes,
    rooms::{self, RoomsError},
    thickness::WallThickness,
};

fn refusal(drawing: &Drawing) -> RoomsError {
    let plan = FloorPlan::from_brightness(drawing.pixels.clone());
    let walls = walls_of(&plan).expect("walls");
    rooms::find(&plan, &walls, &mut *never_stop()).expect_err("a refusal")
}

/// Two rooms of 300 by 280 pixels between walls of 10.
fn two_rooms() -> Drawing {
    let mut drawing = Drawing::new(700, 360);
    drawing
        .wall(Block::new(40, 40, 660, 320))
        .opening(Block::new(50, 50, 345, 310))
        .opening(Block::new(355, 50, 650, 310));
    drawing
}

#[test]
fn room_with_a_wide_opening_to_the_outside_is_rejected() {
    let mut drawing = two_rooms();
    drawing.opening(Block::new(650, 80, 660, 280));
    let error = refusal(&drawing);
    assert_eq!(error.code(), "room_open");
    assert!(error.to_string().contains("136 pixels"), "{error}");
}

#[test]
fn notch_in_a_house_is_not_an_open_room() {
    let mut drawing = two_rooms();
    // A terrace: walls on three sides of it.
    drawing
        .wall(Block::new(250, 230, 450, 320))
        .opening(Block::new(260, 240, 440, 320));
    let plan = FloorPlan::from_brightness(drawing.pixels);
    assert_eq!(super::rooms_of(&plan).len(), 2);
}

#[test]
fn frame_around_a_small_building_is_rejected_as_unclear() {
    let mut drawing = Drawing::new(1000, 800);
    drawing
        .wall(Block::new(20, 20, 980, 780))
        .opening(Block::new(30, 30, 970, 770));
    // A third of the area inside the frame.
    drawing
        .wall(Block::new(250, 200, 750, 680))
        .opening(Block::new(260, 210, 495, 670))
        .opening(Block::new(505, 210, 740, 670));
    assert_eq!(refusal(&drawing).code(), "sheet_frame");
}

#[test]
fn unclosed_door_is_rejected_and_a_wide_opening_is_not() {
    let thickness = WallThickness {
        thinnest: 4,
        typical: 8,
        thickest: 8,
    };
    let find = |width: usize| {
        let mut floor = Mask::new(320, 140);
        floor.fill(20..150, 20..120);
        floor.fill(158..300, 20..120);
        floor.fill(150..158, 30..30 + width);
        let mut report = never_stop();
        let mut passes = Passes::new(&mut *report);
        necks::find(&floor, thickness, ("Checking...", 100), &mut passes).expect("no stop")
    };
    let neck = find(24).expect("a neck");
    assert_eq!((neck.columns, neck.rows), (150..158, 30..54));
    assert_eq!(find(80), None);
    assert_eq!(find(0), None);
}
