//! The verbs of the command line.

pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod synth;

use infra_gen::environments::{Environment, EnvironmentError};

/// The folder of the generated files, seen from the workspace's root.
const GENERATED: &str = "generated";

/// Reads the name of an environment that there is.
fn known_environment(name: &str) -> Result<String, EnvironmentError> {
    Environment::by_name(name).map(|environment| environment.name.to_owned())
}
