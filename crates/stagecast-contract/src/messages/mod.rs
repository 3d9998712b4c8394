//! The messages of the WebSocket API.

mod artifact;
mod client;
mod error;
mod job_available;
mod job_messages;
mod owner_feed;
mod replies;
mod server;
mod snapshot;
mod work_amount;

// Globs, because the declaration of a message is all that a new message needs.
pub use artifact::{Artifact, InvalidArtifact, is_artifact_name};
pub(crate) use client::message_routes;
pub use client::*;
pub use error::{ErrorCode, ErrorDetails, FailureCode, JobError, ProtocolError};
pub use job_available::JobAvailable;
pub use job_messages::{
    JobCancelled, JobComplete, JobFailed, ProgressUpdate, Results, StageComplete,
};
pub use owner_feed::{OwnedJobCreated, OwnerSubscribed, OwnerUnsubscribed};
pub use replies::*;
pub use server::{MessageType, ServerMessage};
pub use snapshot::{JobSnapshot, JobStatus};
pub use work_amount::WorkAmount;
