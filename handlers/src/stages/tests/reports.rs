//! The progress reports of the stages, and their interruption.

use super::{FloorPlan, houses::House, rooms_of, walls_of};
use crate::stages::{
    report::Interrupted,
    rooms::{self, RoomsError},
    walls::{self, Walls},
    walls_error::WallsError,
};

fn large_plan() -> FloorPlan {
    let house = House {
        margin: 40,
        wall: 12,
        columns: vec![600, 500, 750],
        rows: vec![650, 700],
        door: 60,
        door_places: vec![0.2, 0.9],
        stroke: 2,
        letter_cell: 3,
    };
    FloorPlan::from_brightness(house.draw().pixels)
}

type Reports = Vec<(u8, String)>;

fn record(reports: &mut Reports) -> impl FnMut(u8, &str) -> Result<(), Interrupted> {
    |percent, message| {
        reports.push((percent, message.to_owned()));
        Ok(())
    }
}

fn assert_even_progress(reports: &Reports) {
    assert!(
        reports.is_sorted_by_key(|(percent, _)| *percent),
        "{reports:?}"
    );
    assert!(
        reports.iter().all(|(percent, _)| *percent <= 100),
        "{reports:?}"
    );
    assert_eq!(reports.first().map(|(percent, _)| *percent), Some(0));
    assert!(
        reports.last().is_some_and(|(percent, _)| *percent >= 85),
        "{reports:?}"
    );
    // Nearly three million pixels; a pass is reported at least ten times.
    assert!(reports.len() >= 100, "{} reports", reports.len());
    assert!(
        reports.iter().all(|(_, message)| message.ends_with("...")),
        "{reports:?}"
    );
}

#[test]
fn both_stages_report_often_and_never_decrease() {
    let plan = large_plan();
    let mut reports = Reports::new();
    let walls = walls::find(&plan, &mut record(&mut reports)).expect("walls");
    assert_even_progress(&reports);
    reports.clear();
    rooms::find(&plan, &walls, &mut record(&mut reports)).expect("rooms");
    assert_even_progress(&reports);
}

/// Accepts the first reports, then interrupts the stage, and counts the reports after that.
fn stop_after(
    answers: usize,
    asked: &mut usize,
) -> impl FnMut(u8, &str) -> Result<(), Interrupted> {
    move |_, _| {
        *asked += 1;
        if *asked > answers {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}

#[test]
fn stage_stops_at_the_first_interrupted_report() {
    let plan = large_plan();
    let walls = walls_of(&plan).expect("walls");
    for answers in [0, 1, 17, 60, 99] {
        let mut asked = 0;
        let outcome = walls::find(&plan, &mut stop_after(answers, &mut asked));
        assert!(
            matches!(outcome, Err(WallsError::Interrupted(_))),
            "{outcome:?}"
        );
        assert_eq!(asked, answers + 1);
        let mut asked = 0;
        let outcome = rooms::find(&plan, &walls, &mut stop_after(answers, &mut asked));
        assert!(
            matches!(outcome, Err(RoomsError::Interrupted(_))),
            "{outcome:?}"
        );
        assert_eq!(asked, answers + 1);
    }
}

#[test]
fn stage_2_continues_from_deserialized_walls() {
    let plan = large_plan();
    let walls = walls_of(&plan).expect("walls");
    let stored = serde_json::to_string(&walls).expect("JSON");
    assert!(stored.len() < 4096, "{stored}");
    let restored: Walls = serde_json::from_str(&stored).expect("walls");
    assert_eq!(restored, walls);
    let rooms = rooms::find(&plan, &restored, &mut |_, _| Ok(())).expect("rooms");
    assert_eq!(rooms, rooms_of(&plan));
}

#[test]
fn room_serializes_as_the_protocol_specifies() {
    let rooms = rooms_of(&large_plan());
    let json = serde_json::to_string(&rooms[0]).expect("JSON");
    assert_eq!(
        json,
        r#"{"id":1,"area":390000,"bounding_box":{"x":52,"y":52,"width":600,"height":650}}"#
    );
}
