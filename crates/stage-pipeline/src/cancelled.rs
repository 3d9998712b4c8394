//! The end of a stage whose run has ended.

/// The job was cancelled, or its run has ended for another reason. The stage should return.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the job was cancelled")]
pub struct Cancelled;
