//! The image processing of the reference pipeline: it finds the rooms in the image of a floor plan.
//!
//! It does not depend on jobs, messages or AWS, and runs on any thread. Each stage is a function that
//! takes a [callback](report::ProgressCallback) for its progress, and that stops at once if the callback
//! returns an error.
//!
//! | step | module |
//! | --- | --- |
//! | decode the image and reject invalid ones | [`plan`], on `jpeg` and `ground` |
//! | remove specks and straighten | [`sheet`], on `specks`, `skew` and `straighten` |
//! | `stage_1`: find the pixels of walls | [`walls`], on `ink`, `hollow`, `reading`, `thickness` and `pieces` |
//! | `stage_2`: find connected floor | [`rooms`], on `frame` and `gaps` |
//! | check that the rooms are plausible | [`plausibility`], on `enclosure`, `necks` and `lines` |
//! | shared data structures | `mask`, `regions`, [`report`] |

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
pub mod walls_error;

#[cfg(test)]
mod tests;
