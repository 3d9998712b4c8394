//! The function that runs jobs. Its stages are those of the reference pipeline: [`reference_pipeline`]
//! chains them, and [`stages`] contains the image processing. Replace these two with your own stages;
//! the rest of the crate stays.

mod handler;
mod job_message;
mod reference;
mod serve;

pub mod stages;

pub use handler::Handler;
pub use reference::{FindRooms, FindWalls, Rooms, reference_pipeline};
pub use serve::serve;
