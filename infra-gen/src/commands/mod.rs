//! The verbs of the command line.

pub(crate) mod check;
pub(crate) mod synth;

use infra_gen::environments::{Environment, EnvironmentError};

/// Reads the name of an environment that there is.
fn known_environment(name: &str) -> Result<String, EnvironmentError> {
    Environment::by_name(name).map(|environment| environment.name.to_owned())
}
