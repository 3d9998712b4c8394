//! The result of a check.

use std::fmt;

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
    pub(super) fn problem(subject: impl fmt::Display, sentence: impl Into<String>) -> Self {
        Self {
            severity: Severity::Problem,
            subject: subject.to_string(),
            sentence: sentence.into(),
        }
    }

    pub(super) fn note(subject: impl fmt::Display, sentence: impl Into<String>) -> Self {
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
