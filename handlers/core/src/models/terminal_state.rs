//! The ways in which a job ends.

use contract::messages::{JobError, JobStatus};

/// How a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalState {
    /// All stages have finished.
    Completed,
    /// A stage failed, or the job could not be run.
    Failed(JobError),
    /// Someone cancelled it.
    Cancelled,
}

impl TerminalState {
    /// The job's status after it.
    pub(crate) const fn status(&self) -> JobStatus {
        match self {
            Self::Completed => JobStatus::Completed,
            Self::Failed(_) => JobStatus::Failed,
            Self::Cancelled => JobStatus::Cancelled,
        }
    }
}
