//! Where scenarios run: on the local stack, or on a stack that is deployed.
//!
//! The environment chooses. Without it, a scenario starts a local stack of its own. With
//! [`OUTPUTS`] and [`SCRIPTED_OUTPUTS`], all scenarios share two stacks that are deployed
//! somewhere, and run on each of them one after the other.

mod ability;
mod local;
mod operator;
mod outputs;

use std::{env, path::PathBuf};

pub use ability::{Ability, skips};
pub(crate) use local::{binaries, scripted_binaries, scripted_binaries_on_one_core, start};
pub(crate) use operator::{Operator, local_config};
pub(crate) use outputs::Outputs;

/// Names a file with the outputs of a deployed stack, as `infra-gen outputs --json` prints them.
pub const OUTPUTS: &str = "STAGECAST_OUTPUTS";
/// The same for a stack whose pipeline function is the scripted pipeline.
pub const SCRIPTED_OUTPUTS: &str = "STAGECAST_SCRIPTED_OUTPUTS";

/// Where scenarios run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// On the local stack.
    Local,
    /// On a stack that is deployed to AWS.
    Aws,
    /// On a stack that is deployed to an emulator of AWS, ministack.
    Ministack,
}

impl Engine {
    /// The engine that the environment chooses.
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

/// The file that a variable names.
pub(crate) fn file(variable: &str) -> PathBuf {
    env::var_os(variable)
        .unwrap_or_else(|| {
            panic!("{variable} names no file: docs/contribute/testing.md, 'On a deployed stack'")
        })
        .into()
}
