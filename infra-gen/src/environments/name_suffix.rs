//! The suffix of the names of tables and queues.

use super::EnvironmentError;

/// The suffix of the names of tables and queues, so that one account can hold several stacks: up to
/// [`Self::MAX_LENGTH`] letters, digits, hyphens and underscores. Empty for `dev`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSuffix(String);

impl NameSuffix {
    /// The largest number of characters. With the longest name of the contract, it fits SQS's 80;
    /// synthesis fails otherwise.
    pub const MAX_LENGTH: usize = 40;

    /// Validates a suffix, which includes its separator: `-staging`.
    pub fn new(suffix: &str) -> Result<Self, EnvironmentError> {
        let fits = suffix.len() <= Self::MAX_LENGTH
            && typed_contract::names::is_alphanumeric_or(suffix, b"-_");
        if fits {
            Ok(Self(suffix.to_owned()))
        } else {
            Err(EnvironmentError::InvalidNameSuffix {
                suffix: suffix.to_owned(),
                max_length: Self::MAX_LENGTH,
            })
        }
    }

    /// The suffix of an environment other than `dev`: `-prod`.
    pub(super) fn of_environment(name: &str) -> Self {
        Self(format!("-{name}"))
    }

    /// The rule of [`Self::new`] as a pattern for CloudFormation's parameter.
    pub fn pattern() -> String {
        format!("[-_A-Za-z0-9]{{0,{}}}", Self::MAX_LENGTH)
    }

    /// The suffix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_suffix_is_refused_with_its_text() {
        assert!(NameSuffix::new("-staging").is_ok());
        assert!(NameSuffix::new("").is_ok());
        for suffix in [" b", "ä", "${x}", &"a".repeat(41)] {
            let error = NameSuffix::new(suffix).expect_err(suffix).to_string();
            assert!(error.contains(&format!("'{suffix}'")), "{error}");
        }
    }
}
