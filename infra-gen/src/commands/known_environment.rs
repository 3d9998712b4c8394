//! Parses the option `--environment`.

use infra_gen::environments::{Environment, EnvironmentError};

/// Parses the name of an existing environment; the error lists the existing ones.
pub(crate) fn known_environment(name: &str) -> Result<String, EnvironmentError> {
    Environment::by_name(name).map(|environment| environment.name.to_owned())
}
