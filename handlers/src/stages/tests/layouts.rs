//! Plans with special layouts.

use super::{
    Block, Drawing, FloorPlan, check, drawing::Leaf, houses::House, rectangles, rooms_of, walls_of,
};

/// A flat of 900 by 600 pixels: three rooms above a corridor, and an L-shaped room below it around a bath. Walls are 10 pixels thick, doors 44 wide.
fn flat() -> (Drawing, Vec<(f64, Block)>) {
    let mut drawing = Drawing::new(900, 600);
    drawing.wall(Block::new(40, 40, 860, 560));
    let rectangles = [
        Block::new(50, 50, 300, 240),
        Block::new(310, 50, 560, 240),
        Block::new(570, 50, 850, 240),
        Block::new(50, 250, 850, 320),
        Block::new(50, 330, 600, 550),
        Block::new(610, 330, 850, 430),
        Block::new(610, 440, 850, 550),
    ];
    for floor in rectangles {
        drawing.opening(floor);
    }
    // The L-shaped room: the bottom left and the bottom right are one room.
    drawing.opening(Block::new(600, 440, 610, 550));
    for (x, y) in [(120, 240), (400, 240), (640, 240), (200, 320)] {
        drawing.opening(Block::new(x, y, x + 44, y + 10));
        drawing.leaf(
            Leaf {
                hinge: (x, y),
                along: (1, 0),
                swing: (0, -1),
                width: 44,
            },
            1,
        );
    }
    drawing.opening(Block::new(700, 320, 744, 330));
    drawing.opening(Block::new(40, 260, 50, 304));
    let mut floors: Vec<_> = rectangles[..4]
        .iter()
        .map(|floor| (floor.area(), *floor))
        .collect();
    let corner = rectangles[4].area() + rectangles[6].area() + 10.0 * 110.0;
    floors.push((corner, Block::new(50, 330, 850, 550)));
    floors.push((rectangles[5].area(), rectangles[5]));
    (drawing, floors)
}

fn assert_found(drawing: &Drawing, floors: &[(f64, Block)]) {
    let plan = FloorPlan::decode(&drawing.png()).expect("an image");
    check(&rooms_of(&plan), floors).expect("the drawn rooms");
}

#[test]
fn rooms_on_a_corridor_and_around_a_corner_are_separate() {
    let (drawing, floors) = flat();
    assert_found(&drawing, &floors);
}

#[test]
fn light_on_dark_plan_has_the_same_rooms() {
    let (mut drawing, floors) = flat();
    drawing.invert();
    assert_found(&drawing, &floors);
}

#[test]
fn low_quality_jpeg_has_the_same_rooms() {
    let (mut drawing, floors) = flat();
    drawing.soften();
    let plan = FloorPlan::decode(&drawing.jpeg(35)).expect("an image");
    check(&rooms_of(&plan), &floors).expect("the drawn rooms");
}

#[test]
fn coloured_floors_are_floor() {
    let (_, floors) = flat();
    for brightness in [235, 200, 165] {
        let (mut drawing, _) = flat();
        for pixel in drawing.pixels.pixels_mut() {
            // The paper inside and around the house.
            if pixel.0[0] == super::drawing::PAPER {
                pixel.0[0] = brightness;
            }
        }
        drawing.fill(Block::new(0, 0, 900, 30), super::drawing::PAPER);
        assert_found(&drawing, &floors);
    }
}

#[test]
fn thin_inner_walls_are_found() {
    let mut drawing = Drawing::new(700, 400);
    drawing.wall(Block::new(30, 30, 670, 370));
    let floors = [
        Block::new(44, 44, 300, 356),
        Block::new(306, 44, 656, 200),
        Block::new(306, 206, 656, 356),
    ];
    for floor in floors {
        drawing.opening(floor);
    }
    drawing.opening(Block::new(300, 100, 306, 140));
    drawing.opening(Block::new(300, 250, 306, 290));
    assert_found(&drawing, &rectangles(&floors));
}

#[test]
fn window_drawn_as_lines_closes_its_wall() {
    let (mut drawing, floors) = flat();
    let window = Block::new(90, 40, 280, 50);
    drawing.opening(window);
    drawing.furniture(window, 1);
    assert_found(&drawing, &floors);
}

#[test]
fn furniture_and_bold_letters_are_not_walls() {
    let (mut drawing, floors) = flat();
    drawing
        .text("BATH", (640, 340), 3)
        .text("LIT HALL", (70, 470), 4)
        .furniture(Block::new(320, 60, 420, 160), 3)
        .furniture(Block::new(330, 70, 410, 100), 2)
        .furniture(Block::new(600, 60, 700, 120), 4)
        .furniture(Block::new(60, 260, 62, 320), 1);
    assert_found(&drawing, &floors);
}

#[test]
fn short_wall_between_two_doors_keeps_both_closed() {
    let mut drawing = Drawing::new(500, 400);
    drawing.wall(Block::new(30, 30, 470, 370));
    let floors = [Block::new(40, 40, 460, 190), Block::new(40, 200, 460, 360)];
    for floor in floors {
        drawing.opening(floor);
    }
    drawing.opening(Block::new(150, 190, 200, 200));
    drawing.opening(Block::new(218, 190, 268, 200));
    assert_found(&drawing, &rectangles(&floors));
}

#[test]
fn smallest_and_largest_plans_have_their_rooms() {
    let mut house = House {
        margin: 20,
        wall: 4,
        columns: vec![120, 125],
        rows: vec![110, 130],
        door: 25,
        door_places: vec![0.3, 0.8, 0.5],
        stroke: 1,
        letter_cell: 1,
    };
    assert_found(&house.draw(), &rectangles(&house.floors()));
    house = House {
        margin: 60,
        wall: 14,
        columns: vec![600, 480, 900, 810],
        rows: vec![700, 500, 620],
        door: 60,
        door_places: vec![0.0, 0.4, 1.0, 0.7],
        stroke: 3,
        letter_cell: 4,
    };
    assert_found(&house.draw(), &rectangles(&house.floors()));
}

#[test]
fn walls_have_their_thickness_and_number_of_segments() {
    let (drawing, _) = flat();
    let plan = FloorPlan::decode(&drawing.png()).expect("an image");
    let walls = walls_of(&plan).expect("walls");
    assert_eq!((walls.image.width, walls.image.height), (900, 600));
    assert_eq!(walls.thickness.typical, 10);
    assert_eq!(walls.thickness.thickest, 10);
    assert!((14..=26).contains(&walls.segments), "{}", walls.segments);
    let drawn = drawing.pixels.iter().filter(|&&pixel| pixel < 128).count() as u64;
    assert!(
        walls.wall_pixels.abs_diff(drawn) * 50 < drawn,
        "{} of {drawn}",
        walls.wall_pixels
    );
}

#[test]
fn sample_plan_has_its_eight_rooms() {
    let plan = FloorPlan::decode(include_bytes!(
        "../../../../client/floor-plan/sample-plan.png"
    ))
    .expect("an image");
    // As examples/draw_sample_plan.rs draws them.
    let floors = [
        Block::new(72, 62, 380, 330),
        Block::new(388, 62, 590, 240),
        Block::new(598, 62, 700, 240),
        Block::new(708, 62, 828, 240),
        Block::new(388, 248, 828, 330),
        Block::new(72, 338, 300, 588),
        Block::new(308, 338, 560, 588),
        Block::new(568, 338, 828, 588),
    ];
    check(&rooms_of(&plan), &rectangles(&floors)).expect("the drawn rooms");
}
