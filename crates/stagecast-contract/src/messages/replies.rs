//! The replies to a client's messages.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::{ErrorCode, ErrorDetails, JobSnapshot};
use crate::{ids::JobId, timestamp::Timestamp, worker_queues::QueueName};

/// The connection is subscribed to the job. The durable messages after `after_seq` follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subscribed {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of the job's last durable message.
    pub seq: u64,
    /// Whether the log still contained every message after `after_seq`. If not, use the snapshot
    /// instead.
    pub recovered: bool,
    /// The current state of the job.
    pub status: JobSnapshot,
    /// The `request_id` of the request.
    pub request_id: String,
    /// Correlates the messages and log lines of the connection.
    pub correlation_id: String,
    /// When the state was read.
    pub timestamp: Timestamp,
    /// When the token of the subscription expires. The subscription then ends with the error `token_expired`, unless
    /// `authenticate` has extended it. Absent if an access key has opened the subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Timestamp>,
}

/// The subscriptions of the connection that earlier tokens of this owner have opened last as long as the new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authenticated {
    /// The owner of the token.
    pub owner: String,
    /// When the token expires.
    pub token_expires_at: Timestamp,
    /// The number of subscriptions that last at least until then.
    pub subscriptions: u32,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the subscriptions were extended.
    pub timestamp: Timestamp,
}

/// The connection is no longer subscribed to the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unsubscribed {
    /// The job.
    pub job_id: JobId,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the subscription ended.
    pub timestamp: Timestamp,
}

/// The current state of the job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusReply {
    /// The current state of the job.
    #[serde(flatten)]
    pub snapshot: JobSnapshot,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the state was read.
    pub timestamp: Timestamp,
}

/// Deserializes in two steps, because a flattened snapshot would be buffered, which does not keep the text of its
/// results.
impl<'de> Deserialize<'de> for StatusReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Rest {
            request_id: String,
            timestamp: Timestamp,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let snapshot = serde_json::from_str(raw.get()).map_err(de::Error::custom)?;
        let Rest {
            request_id,
            timestamp,
        } = serde_json::from_str(raw.get()).map_err(de::Error::custom)?;
        Ok(Self {
            snapshot,
            request_id,
            timestamp,
        })
    }
}

/// The cancellation of the job is requested. `job_cancelled` follows when the job has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelRequested {
    /// The job.
    pub job_id: JobId,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the request was recorded.
    pub timestamp: Timestamp,
}

/// The connection listens to the queue. It is notified once a claim that carries `listener` has found the queue
/// empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listening {
    /// The queue.
    pub queue: QueueName,
    /// The id of the listener, for the claims of this worker. It is valid until the connection ends.
    pub listener: String,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the listener was stored.
    pub timestamp: Timestamp,
}

/// The connection no longer listens to the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoppedListening {
    /// The queue.
    pub queue: QueueName,
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the listener was deleted.
    pub timestamp: Timestamp,
}

/// The reply to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pong {
    /// The `request_id` of the request.
    pub request_id: String,
    /// When the server answered.
    pub timestamp: Timestamp,
}

/// A client's message was rejected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorReply {
    /// The error code.
    pub code: ErrorCode,
    /// What is wrong and how to correct it, in English.
    pub message: String,
    /// The `request_id` of the request.
    pub request_id: String,
    /// Additional data of some codes, such as the field or the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// When the message was rejected.
    pub timestamp: Timestamp,
}
