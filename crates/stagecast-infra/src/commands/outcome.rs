//! The result of a command that did not fail.

/// The result of a command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    /// The command did what was asked. Exit code 0.
    Done,
    /// A comparison found a difference, a check found a problem, or the user declined. Exit code 1.
    Differs,
    /// The command says more by its exit code.
    Exit(u8),
}

impl CommandOutcome {
    /// `Done` if both are.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }
}
