#![doc = include_str!("../README.md")]

mod change;
mod compare;
mod openapi;
mod shape;

pub use change::{BreakingChange, Direction, Rules};
pub use compare::compare_schemas;
pub use openapi::compare_apis;
