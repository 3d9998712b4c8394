//! How a job ends.

use stagecast_contract::messages::{JobError, JobStatus};

/// The state in which a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalState {
    /// All stages have finished.
    Completed,
    /// A stage failed, or the job cannot be run.
    Failed(JobError),
    /// A client cancelled the job.
    Cancelled,
}

impl TerminalState {
    /// The status of a job in this state.
    pub(crate) const fn status(&self) -> JobStatus {
        match self {
            Self::Completed => JobStatus::Completed,
            Self::Failed(_) => JobStatus::Failed,
            Self::Cancelled => JobStatus::Cancelled,
        }
    }
}
