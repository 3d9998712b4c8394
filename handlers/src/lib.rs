//! The stages of the floor plans: [`pipeline`] chains them, and [`stages`] contains the image processing.
//! Each Lambda function is an executable in `src/bin`.

mod pipeline;

pub mod stages;

pub use pipeline::{FindRooms, FindWalls, Rooms, pipeline};
