//! Differences from an environment for a single command.

use constructs::settings::{Architecture, NameSuffix, Origin, RetentionDays};

use super::Environment;

/// Differences from an environment for a single command, such as for a developer's own stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The allowed origins; those of the environment if empty.
    pub allowed_origins: Vec<Origin>,
    /// The retention of logs.
    pub log_retention: Option<RetentionDays>,
    /// The suffix of the names of tables and queues.
    pub name_suffix: Option<NameSuffix>,
    /// The processor of the functions.
    pub architecture: Option<Architecture>,
    /// Whether the stack hosts the progress page.
    pub page: Option<bool>,
}

impl Environment {
    /// Applies the differences.
    #[must_use]
    pub fn with(mut self, overrides: &Overrides) -> Self {
        if !overrides.allowed_origins.is_empty() {
            self.allowed_origins.clone_from(&overrides.allowed_origins);
        }
        if let Some(retention) = overrides.log_retention {
            self.log_retention = retention;
        }
        if let Some(suffix) = &overrides.name_suffix {
            self.name_suffix = suffix.clone();
        }
        if let Some(architecture) = overrides.architecture {
            self.architecture = architecture;
        }
        if let Some(page) = overrides.page {
            self.page = page;
        }
        self
    }
}
