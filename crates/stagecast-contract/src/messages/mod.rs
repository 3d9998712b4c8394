//! The messages of the WebSocket API.

mod client;
mod error;
mod job_messages;
mod replies;
mod server;
mod snapshot;

// Globs, because the declaration of a message is all that a new message needs.
pub(crate) use client::message_routes;
pub use client::*;
pub use error::{ErrorCode, ErrorDetails, FailureCode, JobError, ProtocolError};
pub use job_messages::{
    JobCancelled, JobComplete, JobFailed, ProgressUpdate, Results, StageComplete,
};
pub use replies::*;
pub use server::{MessageType, ServerMessage};
pub use snapshot::{JobSnapshot, JobStatus};
