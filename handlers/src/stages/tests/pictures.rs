//! The reference plan as scanners, cameras and drawing programs produce it: a few images of each case. The
//! sweep tests all of them.

use super::{
    scans::{Ground, Scan, Surround, WallStyle},
    sweep::{ScanResult, scan_result},
};

const BLACK_FRAME: Surround = Surround::Frame {
    thickness: 6,
    inset: 16,
};
const OUTLINES: WallStyle = WallStyle::Outlined {
    stroke: 2.0,
    fill: 255,
};

fn assert_right(scans: &[Scan]) {
    for scan in scans {
        assert_eq!(scan_result(scan), ScanResult::Right, "{scan:?}");
    }
}

fn assert_refused(scan: &Scan, expected: &str, named: &str) {
    match scan_result(scan) {
        ScanResult::Refused(code, message) => {
            assert_eq!(code, expected, "{message}");
            assert!(message.contains(named), "{message}");
        }
        other => panic!("{other:?} of {scan:?}"),
    }
}

#[test]
fn slightly_rotated_plan_has_rooms_in_image_coordinates() {
    let base = Scan::default();
    assert_right(&[
        base,
        Scan {
            rotation: 1.4,
            ..base
        },
        Scan {
            rotation: -3.0,
            corners: 0,
            ..base
        },
        Scan {
            rotation: 0.8,
            scale: 2,
            ..base
        },
    ]);
}

#[test]
fn plan_rotated_further_is_rejected_with_its_angle() {
    let base = Scan::default();
    let far = Scan {
        rotation: 5.0,
        ..base
    };
    assert_refused(&far, "plan_rotated", "5.0 degrees clockwise");
    let back = Scan {
        rotation: -15.0,
        ..base
    };
    assert_refused(&back, "plan_rotated", "15.0 degrees counter-clockwise");
}

#[test]
fn hollow_hatched_and_grey_walls_are_found() {
    let base = Scan::default();
    let grey = WallStyle::Outlined {
        stroke: 2.0,
        fill: 210,
    };
    let hatched = WallStyle::Hatched {
        stroke: 1.5,
        spacing: 6.0,
    };
    assert_right(&[
        Scan {
            walls: OUTLINES,
            ..base
        },
        Scan {
            walls: OUTLINES,
            scale: 2,
            ..base
        },
        Scan {
            walls: hatched,
            scale: 2,
            ..base
        },
        Scan {
            walls: grey,
            ..base
        },
        Scan {
            walls: WallStyle::Filled(200),
            text: 0,
            ..base
        },
    ]);
}

#[test]
fn paper_in_a_frame_or_at_a_border_is_not_a_room() {
    let base = Scan::default();
    assert_right(&[
        Scan {
            surround: BLACK_FRAME,
            ..base
        },
        Scan {
            surround: Surround::TitleBlock {
                thickness: 6,
                inset: 10,
            },
            ..base
        },
        Scan {
            surround: Surround::Frame {
                thickness: 1,
                inset: 0,
            },
            ..base
        },
        Scan {
            surround: Surround::Flush([true, true, true, false]),
            ..base
        },
        Scan {
            surround: Surround::Flush([true; 4]),
            ..base
        },
    ]);
}

#[test]
fn strokes_on_a_transparent_background_are_walls() {
    let base = Scan::default();
    assert_right(&[
        Scan {
            ground: Ground::WhiteOnTransparent,
            ..base
        },
        Scan {
            ground: Ground::BlackOnTransparent,
            ..base
        },
        Scan {
            ground: Ground::Dark,
            ..base
        },
    ]);
}

#[test]
fn salt_and_pepper_noise_is_removed_or_rejected() {
    let base = Scan::default();
    assert_right(&[Scan { noise: 1.0, ..base }, Scan { noise: 4.0, ..base }]);
    assert_refused(
        &Scan {
            noise: 40.0,
            ..base
        },
        "image_noisy",
        "median filter",
    );
}

#[test]
fn plan_cut_by_the_edge_is_rejected_with_the_side() {
    let cut = Scan {
        surround: Surround::Cut(120),
        ..Scan::default()
    };
    assert_refused(&cut, "plan_cut", "left edge");
}
