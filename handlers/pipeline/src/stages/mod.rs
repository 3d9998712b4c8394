//! The reference pipeline: the picture of a floor plan in, its rooms out.
//!
//! Pure image work: it knows nothing of jobs, stages' transport or AWS, and runs on any thread.
//! Each stage is a function that is handed a [`report`](report::Report) to say how far it is, and
//! that stops at once when the report answers so.
//!
//! | step | module |
//! | --- | --- |
//! | decode and refuse early what cannot be one | [`plan`], on `jpeg` and `ground` |
//! | remove specks and straighten | [`sheet`], on `specks`, `skew` and `straighten` |
//! | `stage_1`: which pixels are wall | [`walls`], on `ink`, `hollow`, `reading`, `thickness` and `pieces` |
//! | `stage_2`: which floor belongs together | [`rooms`], on `frame` and `gaps` |
//! | whether it can be a plan's rooms | [`plausibility`], on `enclosure`, `necks` and `lines` |
//! | the ground under all | `mask`, `regions`, [`report`] |

mod enclosure;
mod frame;
mod gaps;
mod ground;
mod hollow;
mod ink;
mod jpeg;
mod lines;
mod mask;
mod necks;
mod pieces;
mod reading;
mod regions;
mod skew;
mod specks;
mod straighten;
mod thickness;

pub mod plan;
pub mod plausibility;
pub mod report;
pub mod rooms;
pub mod sheet;
pub mod walls;

#[cfg(test)]
mod tests;
