//! The notification of workers.

use serde::{Deserialize, Serialize};

use crate::{timestamp::Timestamp, worker_queues::QueueName};

/// A job of the queue can be claimed. Other workers may be notified of the same job: claim until the queue is
/// empty, which also requests the next notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobAvailable {
    /// The queue.
    pub queue: QueueName,
    /// When the notification was sent.
    pub timestamp: Timestamp,
}
