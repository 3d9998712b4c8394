//! The reference plan in several hundred images: each has the right rooms or an error that names the cause.

use std::collections::BTreeMap;

use super::never_stop;
use super::{
    scans::{Ground, Scan, Surround, TrueRoom, WallStyle},
    walls_of,
};
use crate::stages::rooms::{self, Room};

/// The result of both stages for an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ScanResult {
    Right,
    Refused(&'static str, String),
    Wrong(String),
}

pub(super) fn scan_result(scan: &Scan) -> ScanResult {
    let plan = scan.plan();
    let walls = match walls_of(&plan) {
        Ok(walls) => walls,
        Err(error) => return ScanResult::Refused(error.code(), error.to_string()),
    };
    match rooms::find(&plan, &walls, &mut *never_stop()) {
        Err(error) => ScanResult::Refused(error.code(), error.to_string()),
        Ok(rooms) => match compare(&rooms, &scan.rooms()) {
            Ok(()) => ScanResult::Right,
            Err(why) => ScanResult::Wrong(why),
        },
    }
}

/// Checks that each room is found once, with its area and its bounding box within 5 %.
fn compare(found: &[Room], drawn: &[TrueRoom]) -> Result<(), String> {
    if found.len() != drawn.len() {
        return Err(format!("{} rooms, not {}", found.len(), drawn.len()));
    }
    for room in drawn {
        let [left, top, right, bottom] = room.edges;
        let (width, height) = (right - left, bottom - top);
        let is_close = |found: &&Room| {
            let found_box = found.bounding_box;
            let edges = [
                (found_box.x, left, width),
                (found_box.y, top, height),
                (found_box.x + found_box.width, right, width),
                (found_box.y + found_box.height, bottom, height),
            ];
            let area = f64::from(u32::try_from(found.area).expect("small"));
            (area - room.area).abs() <= 0.05 * room.area
                && edges
                    .iter()
                    .all(|&(found, drawn, side)| (f64::from(found) - drawn).abs() <= 0.05 * side)
        };
        if !found.iter().any(|room| is_close(&room)) {
            return Err(format!("no room at {room:?}: {found:?}"));
        }
    }
    Ok(())
}

const STYLES: [WallStyle; 9] = [
    WallStyle::Filled(20),
    WallStyle::Filled(200),
    WallStyle::Outlined {
        stroke: 1.0,
        fill: 255,
    },
    WallStyle::Outlined {
        stroke: 2.0,
        fill: 255,
    },
    WallStyle::Outlined {
        stroke: 3.0,
        fill: 255,
    },
    WallStyle::Outlined {
        stroke: 2.0,
        fill: 180,
    },
    WallStyle::Outlined {
        stroke: 2.0,
        fill: 210,
    },
    WallStyle::Outlined {
        stroke: 1.5,
        fill: 235,
    },
    WallStyle::Hatched {
        stroke: 1.5,
        spacing: 6.0,
    },
];

const SURROUNDS: [Surround; 8] = [
    Surround::Margin,
    Surround::Frame {
        thickness: 6,
        inset: 0,
    },
    Surround::Frame {
        thickness: 6,
        inset: 16,
    },
    Surround::TitleBlock {
        thickness: 6,
        inset: 10,
    },
    Surround::Frame {
        thickness: 1,
        inset: 0,
    },
    Surround::Flush([true, true, true, false]),
    Surround::Flush([true, true, true, true]),
    Surround::Cut(120),
];

/// All images, each with the name of its case.
#[expect(
    clippy::inconsistent_struct_constructor,
    clippy::too_many_lines,
    reason = "a list, each line in the order of its loops"
)]
pub(super) fn scans() -> Vec<(&'static str, Scan)> {
    let mut scans = Vec::new();
    let base = Scan::default();
    for scale in [1, 2] {
        let base = Scan { scale, ..base };
        for furnished in [true, false] {
            for rotation in [
                -3.0, -2.0, -0.8, -0.3, 0.0, 0.1, 0.4, 0.8, 1.4, 2.0, 2.5, 3.0,
            ] {
                for corners in [255, 0] {
                    scans.push((
                        "rotated",
                        Scan {
                            rotation,
                            furnished,
                            corners,
                            ..base
                        },
                    ));
                }
            }
            for rotation in [4.0, 5.5, -8.0, 15.0, 30.0, 44.0] {
                scans.push((
                    "rotated beyond",
                    Scan {
                        rotation,
                        furnished,
                        ..base
                    },
                ));
            }
        }
        for walls in STYLES {
            for noise in [0.0, 4.0] {
                for rotation in [0.0, 1.4, -2.7] {
                    scans.push((
                        "wall styles",
                        Scan {
                            walls,
                            noise,
                            rotation,
                            ..base
                        },
                    ));
                }
                for text in [0, 120] {
                    scans.push((
                        "wall styles",
                        Scan {
                            walls,
                            noise,
                            text,
                            ..base
                        },
                    ));
                }
                for surround in &SURROUNDS[1..] {
                    scans.push((
                        "styles with surround",
                        Scan {
                            walls,
                            noise,
                            surround: *surround,
                            ..base
                        },
                    ));
                }
            }
            scans.push((
                "wall styles",
                Scan {
                    walls,
                    jpeg: Some(60),
                    ..base
                },
            ));
            scans.push((
                "wall styles",
                Scan {
                    walls,
                    jpeg: Some(85),
                    grain: 8.0,
                    ..base
                },
            ));
            for ground in [
                Ground::Dark,
                Ground::WhiteOnTransparent,
                Ground::BlackOnTransparent,
            ] {
                scans.push((
                    "grounds",
                    Scan {
                        walls,
                        ground,
                        ..base
                    },
                ));
                scans.push((
                    "grounds",
                    Scan {
                        walls,
                        ground,
                        rotation: 1.1,
                        ..base
                    },
                ));
            }
        }
        for surround in SURROUNDS {
            for rotation in [0.0, 1.4, -2.7] {
                for ground in [Ground::Paper, Ground::Dark] {
                    scans.push((
                        "surround",
                        Scan {
                            surround,
                            rotation,
                            ground,
                            ..base
                        },
                    ));
                }
                scans.push((
                    "surround",
                    Scan {
                        surround,
                        rotation,
                        noise: 4.0,
                        ..base
                    },
                ));
            }
        }
        for sides in 0..16 {
            let surround = Surround::Flush([1, 2, 4, 8].map(|side| sides & side != 0));
            scans.push(("surround", Scan { surround, ..base }));
        }
        for noise in [0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 15.0, 25.0, 40.0] {
            for rotation in [0.0, 1.4] {
                scans.push((
                    "noise",
                    Scan {
                        noise,
                        rotation,
                        ..base
                    },
                ));
            }
        }
        for grain in [5.0, 15.0, 30.0, 60.0] {
            for jpeg in [None, Some(40), Some(80)] {
                scans.push((
                    "noise",
                    Scan {
                        grain,
                        jpeg,
                        rotation: 0.9,
                        ..base
                    },
                ));
                scans.push((
                    "noise",
                    Scan {
                        grain,
                        jpeg,
                        ..base
                    },
                ));
            }
        }
    }
    scans
}

/// The result for an image; printed unless the rooms are right.
#[expect(clippy::print_stdout, reason = "the sweep reports to a person")]
fn show(scan: &Scan) -> ScanResult {
    let outcome = scan_result(scan);
    match &outcome {
        ScanResult::Right => {}
        ScanResult::Refused(code, message) => println!("{code}: {message}\n  {scan:?}"),
        ScanResult::Wrong(why) => println!("WRONG: {why}\n  {scan:?}"),
    }
    outcome
}

/// `cargo test -p handlers --lib sweep -- --ignored --nocapture` prints the table of all pictures;
/// `SWEEP=case` selects the images of a case, `SWEEP_EVERY=9` every ninth image, and `SWEEP_FROM=4` the images
/// after the first four.
#[test]
#[ignore = "minutes of drawing: the quick tests take a part of it"]
#[expect(clippy::print_stdout, reason = "the sweep reports to a person")]
#[expect(clippy::disallowed_methods, reason = "a person selects pictures")]
fn sweep_of_all_pictures_has_no_wrong_rooms() {
    let only = std::env::var("SWEEP").ok();
    let every = std::env::var("SWEEP_EVERY").ok();
    let every = every.and_then(|every| every.parse().ok()).unwrap_or(1);
    let from = std::env::var("SWEEP_FROM").ok();
    let from = from.and_then(|from| from.parse().ok()).unwrap_or(0);
    let scans: Vec<_> = scans()
        .into_iter()
        .skip(from)
        .step_by(every)
        .filter(|(case, _)| only.as_ref().is_none_or(|only| case == only))
        .collect();
    let workers = 2;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..workers)
            .map(|worker| {
                let mine = scans.iter().skip(worker).step_by(workers);
                scope.spawn(move || {
                    mine.map(|(case, scan)| (*case, show(scan)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let parts = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
        parts.flat_map(|part| part.expect("no panic")).collect()
    });
    let mut table: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (case, outcome) in &outcomes {
        let row = table.entry(case).or_default();
        match outcome {
            ScanResult::Right => row[0] += 1,
            ScanResult::Refused(..) => row[1] += 1,
            ScanResult::Wrong(_) => row[2] += 1,
        }
    }
    println!(
        "{} pictures\n| case | pictures | right | refused | wrong |\n| --- | --- | --- | --- | --- |",
        outcomes.len()
    );
    for (case, [right, refused, wrong]) in &table {
        println!(
            "| {case} | {} | {right} | {refused} | {wrong} |",
            right + refused + wrong
        );
    }
    let wrong: usize = table.values().map(|row| row[2]).sum();
    assert_eq!(wrong, 0, "of {}", outcomes.len());
}
