//! What is appended to the names of tables and queues.

use super::EnvironmentError;

/// What is appended to the names of tables and queues, so that one account can hold several
/// stacks. Empty for `dev`; every other environment has a different one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSuffix(String);

impl NameSuffix {
    /// Leaves room for the longest name within SQS's 80 characters; `check` knows the names.
    pub const MAX_LENGTH: usize = 40;

    /// A suffix, with the separator that it should have: `-staging`.
    pub fn new(suffix: &str) -> Result<Self, EnvironmentError> {
        let fits =
            suffix.len() <= Self::MAX_LENGTH && contract::names::is_alphanumeric_or(suffix, b"-_");
        if fits {
            Ok(Self(suffix.to_owned()))
        } else {
            Err(EnvironmentError::InvalidNameSuffix(suffix.to_owned()))
        }
    }

    /// The suffix of an environment other than `dev`: `-prod`.
    pub(super) fn of_environment(name: &str) -> Self {
        Self(format!("-{name}"))
    }

    /// The same rule as [`Self::new`]'s, as CloudFormation checks a parameter by it.
    pub fn pattern() -> String {
        format!("[-_A-Za-z0-9]{{0,{}}}", Self::MAX_LENGTH)
    }

    /// The suffix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_that_does_not_fit_a_name_is_refused() {
        assert!(NameSuffix::new("-staging").is_ok());
        assert!(NameSuffix::new("").is_ok());
        for suffix in [" b", "ä", "${x}", &"a".repeat(41)] {
            let error = NameSuffix::new(suffix).expect_err(suffix).to_string();
            assert!(error.contains(&format!("'{suffix}'")), "{error}");
        }
    }
}
