//! Every message of the WebSocket API.

mod client;
mod error;
mod server;

pub use client::{
    CancelJob, ClientMessage, ClientMessageType, ClientRequest, Ping, RequestStatus, Subscribe,
    Unsubscribe,
};
pub use error::{ErrorCode, ErrorDetails, FailureCode, JobError, ProtocolError};
pub use server::{
    CancelRequested, ErrorReply, JobCancelled, JobComplete, JobFailed, JobSnapshot, JobStatus,
    Pong, ProgressUpdate, Results, ServerMessage, StageComplete, StatusReply, Subscribed,
    Unsubscribed,
};
