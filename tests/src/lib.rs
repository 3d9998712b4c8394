//! The library of this repository's scenarios: what they need beside [`stagecast_scenarios`].
//!
//! The system is the real one: the synthesized template, the function binaries, and an
//! [engine](stagecast_scenarios::engine) that runs them. A scenario that needs a slow, failing or crashing
//! stage runs the [scripted pipeline](script) instead of the reference pipeline.

mod executables;
pub mod grants;
pub mod plans;
pub mod script;
mod system;

pub use stagecast_scenarios::{Client, Closed, Engine, Http, Job, Response, needs, worker};
pub use system::System;
