//! The intake of a shop's orders: a stack on the crates of `crates/` alone.

pub mod contract;
pub mod schedule;
pub mod stack;
