//! The engine that scenarios run on: a local stack or a deployed stack.
//!
//! By default, each scenario starts its own local stack. With the environment variable [`OUTPUTS`], all
//! scenarios share a deployed stack and run on it one after the other.

mod ability;
mod local;
mod operator;
mod outputs;

use std::{env, path::PathBuf};

pub use ability::{Ability, skips};
pub(crate) use local::start;
pub(crate) use operator::{Operator, local_config};
pub(crate) use outputs::Outputs;

/// Names the variable with the path of a deployed stack's outputs, from `infra-gen outputs --json`.
pub const OUTPUTS: &str = "STAGECAST_OUTPUTS";

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
            panic!(
                "{variable} is not set\n\
                 help: set it to a file with the output of `infra-gen outputs --json`"
            )
        })
        .into()
}
