//! What is different, this once, from what an environment says.

use super::{Architecture, Environment, NameSuffix, Origin, RetentionDays};

/// What is different, this once, from what an environment says: for a stack of one's own that is
/// worth no environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Where browsers may come from; as the environment says when empty.
    pub allowed_origins: Vec<Origin>,
    /// How long logs are kept.
    pub log_retention: Option<RetentionDays>,
    /// What is appended to the names of tables and queues.
    pub name_suffix: Option<NameSuffix>,
    /// What the functions run on.
    pub architecture: Option<Architecture>,
}

impl Environment {
    /// The environment with these differences.
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
        self
    }
}
