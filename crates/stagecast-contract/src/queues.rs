//! The queues and what travels on them.

use serde::{Deserialize, Serialize};
use typed_contract::{
    queue,
    queues::{Queue as _, QueueSpec},
};

use crate::{
    ids::JobId,
    limits::{LEASE_SECONDS, WATCHDOG_MARGIN_SECONDS},
};

queue! {
    /// Jobs that wait for the pipeline function.
    JobQueue = "jobs" in "JOBS_QUEUE_URL" {
        message: JobMessage,
        visibility_timeout_seconds: 905,
        // Each interrupted run is a receive, and each stage of a job may be interrupted several
        // times.
        max_receives: 20,
    }
}

queue! {
    /// Deliveries that failed or are too many for their publisher.
    DeliveryQueue = "deliveries" in "DELIVERIES_QUEUE_URL" {
        message: DeliveryTask,
        visibility_timeout_seconds: 35,
        // A watchdog is the only message of its job, so it outlasts an outage of the function. The
        // attempts of the other messages have a separate limit: `MAX_DELIVERY_ATTEMPTS`.
        max_receives: 500,
    }
}

queue! {
    /// Webhooks to post.
    WebhookQueue = "webhooks" in "WEBHOOKS_QUEUE_URL" {
        message: WebhookTask,
        visibility_timeout_seconds: 60,
        // The function sets the visibility timeout after each failed attempt.
        max_receives: 11,
    }
}

/// All queues, in the order of the template.
pub const ALL: &[&QueueSpec] = &[JobQueue::SPEC, DeliveryQueue::SPEC, WebhookQueue::SPEC];

/// Number of receives after which a delivery has failed. Each may send its recipients the same
/// messages again, and a client that has stopped reading fails all of them.
pub const MAX_DELIVERY_ATTEMPTS: u32 = 10;

/// Number of attempts to post a webhook, over about a day, after which it is a dead letter.
pub const MAX_WEBHOOK_ATTEMPTS: u32 = WebhookQueue::SPEC.max_receives;

/// An outage of the delivery function of up to four hours does not move a watchdog to the
/// dead-letter queue.
const _: () = assert!(
    DeliveryQueue::SPEC.visibility_timeout_seconds * DeliveryQueue::SPEC.max_receives
        >= 4 * 60 * 60
);

/// A delivery task whose consumer died is visible again soon after a lease would have expired.
const _: () = assert!(
    DeliveryQueue::SPEC.visibility_timeout_seconds as i64
        <= LEASE_SECONDS + WATCHDOG_MARGIN_SECONDS
);

/// Asks the pipeline function to run a job. Everything else is in the job's item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobMessage {
    /// The job.
    pub job_id: JobId,
    /// Whether the watchdog sent the message, because the first one may be lost or held by a dead
    /// run. The pipeline drops such a message if the job is leased or has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_watchdog: bool,
}

impl JobMessage {
    /// The message for a newly created job.
    pub fn new(job_id: JobId) -> Self {
        Self {
            job_id,
            from_watchdog: false,
        }
    }

    /// The watchdog's message for a job whose first message may be lost.
    pub fn from_watchdog(job_id: JobId) -> Self {
        Self {
            job_id,
            from_watchdog: true,
        }
    }
}

/// Asks the delivery function to send messages of a job to some connections. It references the log
/// and contains no payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeliveryTask {
    /// The job.
    pub job_id: JobId,
    /// The connections to send to.
    pub audience: Recipients,
    /// The messages to send. Tasks that were enqueued before this field existed are of the
    /// [`DeliveryKind::Log`].
    #[serde(default)]
    pub content: DeliveryKind,
    /// `seq` of the last durable message that the recipients have received.
    pub after_seq: u64,
    /// `seq` of the last durable message to send. If absent, [`DeliveryKind::Log`] sends the rest
    /// of the log and [`DeliveryKind::Published`] sends the one message after `after_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through_seq: Option<u64>,
    /// Whether the task replaces one that failed [`MAX_DELIVERY_ATTEMPTS`] times. It is not replaced
    /// again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewed: bool,
}

impl DeliveryTask {
    /// A task to send the log after `after_seq`.
    pub fn log(job_id: JobId, audience: Recipients, after_seq: u64) -> Self {
        Self {
            job_id,
            audience,
            content: DeliveryKind::Log,
            after_seq,
            through_seq: None,
            renewed: false,
        }
    }

    /// A task to check the job: see [`DeliveryKind::Watchdog`].
    pub fn watchdog(job_id: JobId, epoch: Option<u64>) -> Self {
        Self {
            content: DeliveryKind::Watchdog { epoch },
            ..Self::log(job_id, Recipients::AllSubscribers, 0)
        }
    }

    /// A task to check a job that awaits its input: see [`DeliveryKind::UploadDeadline`].
    pub fn upload_deadline(job_id: JobId) -> Self {
        Self {
            content: DeliveryKind::UploadDeadline,
            ..Self::log(job_id, Recipients::AllSubscribers, 0)
        }
    }

    /// A task to notify the owner's feed of a new job: see [`DeliveryKind::Created`].
    pub fn created(job_id: JobId, give_up_at: i64) -> Self {
        Self {
            audience: Recipients::OwnerSubscribers { after: None },
            content: DeliveryKind::Created { give_up_at },
            ..Self::log(job_id, Recipients::AllSubscribers, 0)
        }
    }

    /// A task to post the durable message `seq` as a webhook: see [`DeliveryKind::Webhook`].
    pub fn webhook(job_id: JobId, seq: u64) -> Self {
        Self {
            content: DeliveryKind::Webhook { checks: 0 },
            ..Self::log(job_id, Recipients::AllSubscribers, seq.saturating_sub(1)).through(seq)
        }
    }

    /// Limits the task to the durable messages through `through_seq`. Later ones are sent by their
    /// publisher; without the limit, clients would receive them twice.
    #[must_use]
    pub fn through(self, through_seq: u64) -> Self {
        Self {
            through_seq: Some(through_seq),
            ..self
        }
    }

    /// The same task for a new message, whose receives are counted from 0. Allowed once.
    #[must_use]
    pub fn renew(self) -> Self {
        Self {
            renewed: true,
            ..self
        }
    }
}

/// The recipients of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Recipients {
    /// All subscribers of the job and of the feed of its owner.
    AllSubscribers,
    /// The subscribers whose connection id sorts after this one: those beyond the ones that a
    /// publisher posts to directly.
    SubscribersAfter(String),
    /// The connections with these API Gateway ids: one, or neighbours in the order of the
    /// subscribers' table, which are read as one range. Those that are not subscribed to the job may be
    /// subscribed to the feed of its owner.
    Connections(Vec<String>),
    /// The subscribers of the feed of the job's owner: all of them, or those whose connection id sorts after
    /// this one.
    OwnerSubscribers {
        /// The connection id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// As `Connections`, of the subscribers of the feed of the job's owner.
    OwnerConnections(Vec<String>),
}

/// The messages that a delivery sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// The log after `after_seq`.
    #[default]
    Log,
    /// The durable messages after `after_seq` through `through_seq`, sent to the subscribers that
    /// have not read them from the log when they subscribed. Later messages have separate tasks.
    Published,
    /// The current progress of the job. Obsolete once a durable message follows `after_seq`.
    Progress,
    /// `job_created` with the current state of the job. The task is queued before the job is stored.
    Created {
        /// When a job that does not exist will not be stored any more, in epoch seconds.
        give_up_at: i64,
    },
    /// No message: a delayed check of a job that awaits its input. It fails the job if the upload has
    /// expired, and aborts the upload of a job that has ended.
    UploadDeadline,
    /// The durable message `through_seq`, as a webhook. The task is queued before the message is committed, so
    /// that no commit is without one; once it is committed, the delivery function passes it to the queue
    /// `webhooks`.
    Webhook {
        /// How often the message was found not to be committed yet.
        checks: u32,
    },
    /// No message: a delayed check of a job whose run or worker may be dead. It ends the job if it
    /// was cancelled, commits the events of its log, enqueues it again, or fails it.
    Watchdog {
        /// The epoch of the monitored claim; a later claim has its own watchdog. Without it, the
        /// job is monitored until it ends.
        epoch: Option<u64>,
    },
}

/// Asks the webhooks function to post a committed durable message of a job. To post it again, send the same
/// task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebhookTask {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of the message.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_task_of_an_earlier_version_is_deserialized() {
        let earlier = r#"{"job_id":"job_1_a","audience":"all_subscribers","after_seq":2}"#;
        let task: DeliveryTask = serde_json::from_str(earlier).unwrap();
        assert_eq!(task.content, DeliveryKind::Log);
        assert!(!task.renewed);
        assert_eq!(serde_json::to_value(&task).unwrap().get("renewed"), None);
    }

    #[test]
    fn job_message_of_an_earlier_version_is_not_the_watchdogs() {
        let message: JobMessage = serde_json::from_str(r#"{"job_id":"job_1_a"}"#).unwrap();
        assert_eq!(message, JobMessage::new("job_1_a".parse().unwrap()));
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"job_id":"job_1_a"}"#
        );
    }
}
