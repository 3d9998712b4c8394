//! The names of stacks.

use std::{fmt, str::FromStr};

use crate::environments::{Environment, NameSuffix};

/// The name of a stack.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackName(String);

/// Not the name of a stack.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not the name of a stack: use up to 128 letters, digits and '-', a letter first")]
pub struct InvalidStackName(String);

impl StackName {
    /// The name of an environment's stack, unless another is given. A suffix of its tables and
    /// queues that is not the environment's own is a suffix of the stack too, so that the next
    /// deployment finds it.
    pub fn of(environment: &Environment, given: Option<&NameSuffix>) -> Self {
        let given = given.filter(|given| **given != environment.name_suffix);
        let suffix = given.map_or("", NameSuffix::as_str).replace('_', "-");
        let separator = if suffix.is_empty() || suffix.starts_with('-') {
            ""
        } else {
            "-"
        };
        Self(format!("stagecast-{}{separator}{suffix}", environment.name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StackName {
    type Err = InvalidStackName;

    fn from_str(name: &str) -> Result<Self, InvalidStackName> {
        let fits = name.len() <= 128
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && contract::names::is_alphanumeric_or(name, b"-");
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
    fn a_stack_is_called_after_its_environment_and_its_suffix() {
        let name = |suffix: &str| {
            let suffix = NameSuffix::new(suffix).expect("a suffix");
            StackName::of(&Environment::dev(), Some(&suffix)).to_string()
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
    fn environments_own_suffix_is_not_repeated_in_the_stack_name() {
        let prod = Environment::prod();
        let own = prod.name_suffix.clone();
        let other = NameSuffix::new("-blue").expect("a suffix");
        for (given, name) in [
            (None, "stagecast-prod"),
            (Some(&own), "stagecast-prod"),
            (Some(&other), "stagecast-prod-blue"),
        ] {
            assert_eq!(StackName::of(&prod, given).as_str(), name);
        }
    }

    #[test]
    fn what_cloudformation_takes_for_no_name_is_refused() {
        for name in ["", "2nd", "-a", "a_b", "a b", &"a".repeat(129)] {
            assert!(name.parse::<StackName>().is_err(), "{name}");
        }
    }
}
