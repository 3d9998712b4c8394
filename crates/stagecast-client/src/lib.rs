#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod access;
mod backoff;
mod client;
mod download;
mod error;
mod hex;
pub mod http;
mod job;
mod list;
mod message;
mod new_job;
pub mod protocol;
mod random;
mod tokens;
mod upload;
mod watch;
pub mod websocket;

pub use access::JobKey;
pub use backoff::Backoff;
pub use client::Client;
pub use download::Artifact;
pub use error::{Error, Rejection};
pub use job::{Job, JobEnd};
pub use list::JobFilter;
pub use message::JobMessage;
pub use new_job::NewJob;
pub use raw_json::RawJson;
/// The types of the protocol's messages.
pub use stagecast_contract::{
    http::JobsPage,
    ids::{AccessKey, JobId, WorkerKey},
    messages::{
        JobCancelled, JobComplete, JobError, JobFailed, JobSnapshot, JobStatus, ProgressUpdate,
        Results, StageComplete, WorkAmount,
    },
    time_limits::JobLimits,
    timestamp::Timestamp,
    webhooks::{DescribedWebhook, WebhookEvent},
};
pub use tokens::Tokens;
pub use upload::UploadProgress;
pub use watch::Watch;
