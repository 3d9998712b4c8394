//! Random houses: a grid of rooms with a door in every inner wall, windows, furniture and text.

use proptest::prelude::*;

use super::drawing::{Block, Drawing, Leaf};

/// A house of rows of rooms. Lengths are in pixels.
#[derive(Clone, Debug)]
pub(super) struct House {
    pub(super) margin: i32,
    pub(super) wall: i32,
    /// Widths of the columns of rooms and heights of their rows, floor only.
    pub(super) columns: Vec<i32>,
    pub(super) rows: Vec<i32>,
    pub(super) door: i32,
    /// The positions of doors in their walls, from 0 at one end to 1 at the other; used in rotation.
    pub(super) door_places: Vec<f64>,
    pub(super) stroke: i32,
    pub(super) letter_cell: i32,
}

impl House {
    /// Any house that a plan may show.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let door_and_wall = (25..=60_i32, 4..=14_i32);
        (door_and_wall, 1..=4_usize, 1..=3_usize).prop_flat_map(|((door, wall), across, down)| {
            let side = door + 30..=(3 * door).max(180);
            (
                12..60_i32,
                prop::collection::vec(side.clone(), across),
                prop::collection::vec(side, down),
                prop::collection::vec(
                    prop_oneof![
                        Just(0.0),
                        Just(1.0),
                        (0..=100).prop_map(|p| f64::from(p) / 100.0)
                    ],
                    24,
                ),
                1..=(wall / 3).clamp(1, 3),
            )
                .prop_map(move |(margin, columns, rows, door_places, stroke)| Self {
                    margin,
                    wall,
                    columns,
                    rows,
                    door,
                    door_places,
                    stroke,
                    letter_cell: stroke,
                })
        })
    }

    fn starts(&self, lengths: &[i32]) -> Vec<i32> {
        let mut at = self.margin + self.wall;
        lengths
            .iter()
            .map(|length| {
                let start = at;
                at += length + self.wall;
                start
            })
            .collect()
    }

    /// The floors of the rooms, from top to bottom, then from left to right.
    pub(super) fn floors(&self) -> Vec<Block> {
        let lefts = self.starts(&self.columns);
        self.starts(&self.rows)
            .into_iter()
            .zip(&self.rows)
            .flat_map(|(top, height)| {
                lefts
                    .iter()
                    .zip(&self.columns)
                    .map(move |(&left, width)| Block::new(left, top, left + width, top + height))
            })
            .collect()
    }

    pub(super) fn draw(&self) -> Drawing {
        let wall = self.wall;
        let outer =
            |lengths: &[i32]| lengths.iter().map(|length| length + wall).sum::<i32>() + wall;
        let (width, height) = (outer(&self.columns), outer(&self.rows));
        let side = |length: i32| u32::try_from(length + 2 * self.margin).expect("positive");
        let mut drawing = Drawing::new(side(width), side(height));
        let house = Block::new(
            self.margin,
            self.margin,
            self.margin + width,
            self.margin + height,
        );
        drawing.wall(house);
        let floors = self.floors();
        for floor in &floors {
            drawing.opening(*floor);
        }
        let mut places = self.door_places.iter().copied().cycle();
        let mut place = |from: i32, to: i32| {
            let room = f64::from(to - from - self.door);
            #[expect(clippy::cast_possible_truncation, reason = "a place in the wall")]
            let offset = (room * places.next().unwrap_or(0.5)).round() as i32;
            from + offset
        };
        let across = self.columns.len();
        for (index, floor) in floors.iter().enumerate() {
            if index % across + 1 < across {
                let at = place(floor.top, floor.bottom);
                drawing.opening(Block::new(
                    floor.right,
                    at,
                    floor.right + wall,
                    at + self.door,
                ));
                drawing.leaf(
                    Leaf {
                        hinge: (floor.right - 1, at),
                        along: (0, 1),
                        swing: (-1, 0),
                        width: self.door,
                    },
                    self.stroke,
                );
            }
            if index + across < floors.len() {
                let at = place(floor.left, floor.right);
                drawing.opening(Block::new(
                    at,
                    floor.bottom,
                    at + self.door,
                    floor.bottom + wall,
                ));
                drawing.leaf(
                    Leaf {
                        hinge: (at, floor.bottom - 1),
                        along: (1, 0),
                        swing: (0, -1),
                        width: self.door,
                    },
                    self.stroke,
                );
            }
            if index == 0 {
                let at = place(floor.left, floor.right);
                drawing.opening(Block::new(at, floor.top - wall, at + self.door, floor.top));
            }
            // As many letters as fit.
            let letters = (floor.right - floor.left - 8) / (6 * self.letter_cell);
            let letters = usize::try_from(letters).unwrap_or(0);
            let words: String = "BATHROOM".chars().take(letters).collect();
            drawing.text(&words, (floor.left + 4, floor.top + 4), self.letter_cell);
            let sofa = Block::new(
                floor.left + 8,
                floor.bottom - 28,
                floor.right - 20,
                floor.bottom - 8,
            );
            drawing.furniture(sofa, self.stroke);
        }
        drawing
    }
}
