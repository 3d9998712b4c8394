//! Checks of a template for mistakes that neither the compiler nor CloudFormation's schemas find.
//!
//! [`findings`] runs the checks of this crate. [`validators`] runs external validators.

mod limits;
mod names;
mod permissions;
mod protection;
mod references;
pub mod validators;

pub use names::shared_suffixes;

use std::fmt;

use crate::template::{RenderError, Template};

/// A mistake, or a remark, that a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it must be fixed.
    pub severity: Severity,
    /// The construct with the mistake, or the rule of a validator.
    pub subject: String,
    /// What is wrong, and how to fix it.
    pub sentence: String,
}

/// Whether a finding must be fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It must be fixed: `infra-gen check` fails.
    Problem,
    /// It is reported, and `infra-gen check` passes.
    Note,
}

impl Finding {
    fn problem(subject: impl fmt::Display, sentence: impl Into<String>) -> Self {
        Self {
            severity: Severity::Problem,
            subject: subject.to_string(),
            sentence: sentence.into(),
        }
    }

    fn note(subject: impl fmt::Display, sentence: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::problem(subject, sentence)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.severity {
            Severity::Problem => "problem",
            Severity::Note => "note",
        };
        write!(formatter, "{mark}: {}: {}", self.subject, self.sentence)
    }
}

/// The findings of this crate's own checks in a template.
pub fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    Ok([
        references::findings(template)?,
        names::findings(template)?,
        permissions::findings(template),
        protection::findings(template),
        limits::findings(template)?,
    ]
    .concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{environments::Environment, stack};

    #[test]
    fn stack_has_no_problems_in_any_environment() {
        for name in Environment::names() {
            let environment = Environment::by_name(name).expect("it is known");
            let template = stack::synthesize(&environment).expect("a template");
            let problems: Vec<_> = findings(&template)
                .expect("renders")
                .into_iter()
                .filter(|finding| finding.severity == Severity::Problem)
                .collect();
            assert_eq!(problems, [], "{name}");
        }
    }
}
