//! The engine that scenarios run on: a local stack or a deployed stack.
//!
//! By default, each scenario starts its own local stack. With the environment variables [`OUTPUTS`] and
//! [`SCRIPTED_OUTPUTS`], all scenarios share two deployed stacks, and run on each one after the other.

mod ability;
mod local;
mod operator;
mod outputs;

use std::{env, path::PathBuf};

pub use ability::{Ability, skips};
pub(crate) use local::{binaries, scripted_binaries, scripted_binaries_on_one_core, start};
pub(crate) use operator::{Operator, local_config};
pub(crate) use outputs::Outputs;

/// Names the variable with the path of a deployed stack's outputs, from `infra-gen outputs --json`.
pub const OUTPUTS: &str = "STAGECAST_OUTPUTS";
/// The same for a stack whose pipeline function is the scripted pipeline.
pub const SCRIPTED_OUTPUTS: &str = "STAGECAST_SCRIPTED_OUTPUTS";

/// The engine of the scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Local stacks.
    Local,
    /// Stacks deployed to AWS.
    Aws,
    /// Stacks deployed to ministack, an AWS emulator.
    Ministack,
}

impl Engine {
    /// The engine that the environment variables select.
    pub fn chosen() -> Self {
        if env::var_os(OUTPUTS).is_none() {
            Self::Local
        } else if env::var_os("AWS_ENDPOINT_URL").is_none() {
            Self::Aws
        } else {
            Self::Ministack
        }
    }
}

/// The path in an environment variable.
pub(crate) fn file(variable: &str) -> PathBuf {
    env::var_os(variable)
        .unwrap_or_else(|| {
            panic!("{variable} names no file: docs/contribute/testing.md, 'On a deployed stack'")
        })
        .into()
}
