//! The function that runs jobs. The stages are the reference pipeline's, [`stages`], chained in
//! [`reference_pipeline`]; a product of one's own puts its stages there and leaves the rest.

mod handler;
mod reference;
mod serve;
mod ticket;

pub mod stages;

pub use handler::Handler;
pub use reference::{FindRooms, FindWalls, Rooms, reference_pipeline};
pub use serve::serve;
