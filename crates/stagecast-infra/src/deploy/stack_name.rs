//! The name of a stack.

use std::{fmt, str::FromStr};

use crate::environments::{Environment, NameSuffix};

/// The name of a stack: up to 128 letters, digits and hyphens, a letter first.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackName(String);

/// A text that is not the name of a stack.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not the name of a stack: use up to 128 letters, digits and '-', a letter first")]
pub struct InvalidStackName(String);

impl StackName {
    /// The default name of the stack of a product's environment. A `given` suffix that is not the environment's own
    /// is part of the name, so that each suffix has its own stack.
    pub fn of(product: &str, environment: &Environment, given: Option<&NameSuffix>) -> Self {
        let given = given.filter(|given| **given != environment.name_suffix);
        let suffix = given.map_or("", NameSuffix::as_str).replace('_', "-");
        let separator = if suffix.is_empty() || suffix.starts_with('-') {
            ""
        } else {
            "-"
        };
        Self(format!("{product}-{}{separator}{suffix}", environment.name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StackName {
    type Err = InvalidStackName;

    fn from_str(name: &str) -> Result<Self, InvalidStackName> {
        let fits = name.len() <= 128
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && typed_contract::names::is_alphanumeric_or(name, b"-");
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidStackName(name.to_owned()))
        }
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_name_has_the_environment_and_the_suffix() {
        let name = |suffix: &str| {
            let suffix = NameSuffix::new(suffix).expect("a suffix");
            StackName::of("stagecast", &Environment::dev(), Some(&suffix)).to_string()
        };
        assert_eq!(name(""), "stagecast-dev");
        assert_eq!(name("-alice"), "stagecast-dev-alice");
        assert_eq!(name("_a_b"), "stagecast-dev-a-b");
        assert_eq!(name("2"), "stagecast-dev-2");
        for suffix in ["", "-alice", "_a_b", "2"] {
            assert!(name(suffix).parse::<StackName>().is_ok());
        }
    }

    #[test]
    fn stack_name_does_not_repeat_the_environments_suffix() {
        let prod = Environment::prod();
        let own = prod.name_suffix.clone();
        let other = NameSuffix::new("-blue").expect("a suffix");
        for (given, name) in [
            (None, "stagecast-prod"),
            (Some(&own), "stagecast-prod"),
            (Some(&other), "stagecast-prod-blue"),
        ] {
            assert_eq!(StackName::of("stagecast", &prod, given).as_str(), name);
        }
    }

    #[test]
    fn names_that_cloudformation_refuses_are_invalid() {
        for name in ["", "2nd", "-a", "a_b", "a b", &"a".repeat(129)] {
            assert!(name.parse::<StackName>().is_err(), "{name}");
        }
    }
}
