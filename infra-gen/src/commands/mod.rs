//! The verbs of the command line.

pub(crate) mod check;
#[cfg(feature = "deploy")]
pub(crate) mod deploy;
#[cfg(feature = "deploy")]
pub(crate) mod destroy;
pub(crate) mod diff;
#[cfg(feature = "deploy")]
mod operation;
#[cfg(feature = "deploy")]
pub(crate) mod outputs;
#[cfg(feature = "deploy")]
mod ownership;
#[cfg(feature = "deploy")]
pub(crate) mod package;
pub(crate) mod synth;
#[cfg(feature = "deploy")]
mod target;
#[cfg(feature = "deploy")]
mod terminal;

use infra_gen::environments::{Environment, EnvironmentError};

/// The folder of the generated files, seen from the workspace's root.
const GENERATED: &str = "generated";

/// Reads the name of an environment that there is.
fn known_environment(name: &str) -> Result<String, EnvironmentError> {
    Environment::by_name(name).map(|environment| environment.name.to_owned())
}
