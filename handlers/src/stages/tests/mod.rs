//! Tests of both stages on drawn plans, whose rooms are known.

mod drawing;
mod houses;
mod jpegs;
mod layouts;
mod pictures;
mod plausible;
mod refusals;
mod reports;
mod scans;
mod sweep;
mod thin_walls;

use proptest::{prelude::*, test_runner::RngSeed};

use self::{
    drawing::{Block, Drawing},
    houses::House,
};
use super::{
    mask::Mask,
    plan::FloorPlan,
    report::ProgressCallback,
    rooms::{self, Room},
    walls::{self, Walls},
    walls_error::WallsError,
};

/// A callback that never interrupts the stage.
fn never_stop() -> Box<ProgressCallback<'static>> {
    Box::new(|_, _| Ok(()))
}

/// Pseudo-random numbers, the same in every run.
fn noise() -> impl Iterator<Item = u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state.to_le_bytes()[4])
    })
}

fn walls_of(plan: &FloorPlan) -> Result<Walls, WallsError> {
    walls::find(plan, &mut *never_stop())
}

fn rooms_of(plan: &FloorPlan) -> Vec<Room> {
    let walls = walls_of(plan).expect("walls");
    rooms::find(plan, &walls, &mut *never_stop()).expect("rooms")
}

/// Checks the position of each room, and its area within 5 %.
fn check(found: &[Room], floors: &[(f64, Block)]) -> Result<(), String> {
    if found.len() != floors.len() {
        return Err(format!(
            "{} rooms, not {}: {found:?}",
            found.len(),
            floors.len()
        ));
    }
    for (index, (room, (area, block))) in found.iter().zip(floors).enumerate() {
        let found_area = f64::from(u32::try_from(room.area).expect("small"));
        if room.id as usize != index + 1 {
            return Err(format!("id {} at place {index}", room.id));
        }
        if (found_area - area).abs() > 0.05 * area {
            return Err(format!("{room:?} should have the area {area}"));
        }
        let bounding_box = room.bounding_box;
        let edges = [
            (bounding_box.x, block.left),
            (bounding_box.y, block.top),
            (bounding_box.x + bounding_box.width, block.right),
            (bounding_box.y + bounding_box.height, block.bottom),
        ];
        for (found, drawn) in edges {
            if i64::from(found).abs_diff(drawn.into()) > 2 {
                return Err(format!("{room:?} should be {block:?}"));
            }
        }
    }
    Ok(())
}

fn rectangles(floors: &[Block]) -> Vec<(f64, Block)> {
    floors.iter().map(|floor| (floor.area(), *floor)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        // The same houses in every run, so that a failure is reproducible.
        rng_seed: RngSeed::Fixed(2024),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_room_of_any_house_is_found_with_its_area(
        house in House::any(),
        quality in prop_oneof![Just(None), (60..=95_u8).prop_map(Some)],
        soften in any::<bool>(),
    ) {
        let mut drawing = house.draw();
        if soften {
            drawing.soften();
        }
        let bytes = quality.map_or_else(|| drawing.png(), |quality| drawing.jpeg(quality));
        let plan = FloorPlan::decode(&bytes).expect("an image");
        let outcome = check(&rooms_of(&plan), &rectangles(&house.floors()));
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}
