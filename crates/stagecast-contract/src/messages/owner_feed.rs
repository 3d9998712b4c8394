//! The messages of the feed of an owner, beside the messages of its jobs.

use serde::{Deserialize, Serialize};

use super::JobSnapshot;
use crate::{ids::JobId, timestamp::Timestamp};

/// The connection is subscribed to the feed of the owner: it gets the messages of all jobs of the owner from now on. List the
/// jobs after this message, so that none is missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnerSubscribed {
    /// The owner.
    pub owner: String,
    /// When the token of the subscription expires. `authenticate` with a later one extends it.
    pub token_expires_at: Timestamp,
    /// The `request_id` of the request.
    pub request_id: String,
    /// Correlates the messages and log lines of the connection.
    pub correlation_id: String,
    /// When the subscription was stored or found.
    pub timestamp: Timestamp,
}

/// The connection is no longer subscribed to the feed of the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnerUnsubscribed {
    /// The owner.
    pub owner: String,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the subscription ended.
    pub timestamp: Timestamp,
}

/// The owner of a feed has a new job. The state is that of the time at which the message is sent, so the job may have durable
/// messages, or have ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnedJobCreated {
    /// The job.
    pub job_id: JobId,
    /// The state of the job as in lists: without results and artifacts.
    pub status: JobSnapshot,
    /// When the state was read.
    pub timestamp: Timestamp,
}
