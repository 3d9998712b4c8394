//! The messages of the WebSocket API.

mod client;
mod error;
mod job_messages;
mod replies;
mod server;
mod snapshot;

pub use client::{
    CancelJob, ClientMessage, ClientMessageType, ClientRequest, Ping, RequestStatus, Subscribe,
    Unsubscribe,
};
pub use error::{ErrorCode, ErrorDetails, FailureCode, JobError, ProtocolError};
pub use job_messages::{
    JobCancelled, JobComplete, JobFailed, ProgressUpdate, Results, StageComplete,
};
pub use replies::{CancelRequested, ErrorReply, Pong, StatusReply, Subscribed, Unsubscribed};
pub use server::ServerMessage;
pub use snapshot::{JobSnapshot, JobStatus};
