//! The queues and what travels on them.

use serde::{Deserialize, Serialize};

use crate::{
    environment::Resource,
    ids::JobId,
    limits::{LEASE_SECONDS, WATCHDOG_MARGIN_SECONDS},
};

/// A queue as the template declares it, together with its dead-letter queue.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name, before the stack's suffix.
    pub name: &'static str,
    /// The environment variable that holds the queue's URL in functions that use it.
    pub variable: &'static str,
    /// Seconds that a received message is hidden from other receivers. At least the consumer's
    /// timeout: Lambda refuses an event source mapping otherwise. It is also how long a message
    /// waits when its consumer dies before it can do anything, so it is no longer than that.
    /// Lambda's documentation advises six timeouts, so that a throttled invocation is retried before
    /// the message becomes visible; here, `max_receives` leaves room for such receives instead.
    pub visibility_timeout_seconds: u32,
    /// Receives after which a message goes to the dead-letter queue.
    pub max_receives: u32,
}

/// A queue of the contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no queue",
    label = "this takes a queue",
    note = "queues are declared with `queue!` in contract/src/queues.rs"
)]
pub trait Queue: Resource {
    /// What travels on the queue.
    type Message: Serialize + for<'de> Deserialize<'de>;
    /// How the template declares it.
    const SPEC: &'static QueueSpec;
}

/// Declares a queue: its type, what travels on it, its description. Public so that a product can
/// declare queues of its own.
#[macro_export]
macro_rules! queue {
    (
        $(#[$documentation:meta])*
        $queue:ident = $name:literal in $variable:literal {
            message: $message:ty,
            visibility_timeout_seconds: $visibility:expr,
            max_receives: $receives:literal $(,)?
        }
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $queue;

        impl $crate::queues::Queue for $queue {
            type Message = $message;
            const SPEC: &'static $crate::queues::QueueSpec = &$crate::queues::QueueSpec {
                name: $name,
                variable: $variable,
                visibility_timeout_seconds: $visibility,
                max_receives: $receives,
            };
        }

        impl $crate::environment::Resource for $queue {
            const VARIABLE: &'static str = $variable;
        }
    };
}

queue! {
    /// Jobs that wait for a pipeline.
    JobQueue = "jobs" in "JOBS_QUEUE_URL" {
        message: JobMessage,
        visibility_timeout_seconds: 905,
        // A run that is cut short is a receive, and each stage of a job may have some of them.
        max_receives: 20,
    }
}

queue! {
    /// Deliveries that a publisher could not, or should not, make itself.
    DeliveryQueue = "deliveries" in "DELIVERIES_QUEUE_URL" {
        message: DeliveryTask,
        visibility_timeout_seconds: 35,
        // A watchdog is the only message of its job, so it outlasts an outage of the function. The
        // attempts of the other messages have a limit of their own: `MAX_DELIVERY_ATTEMPTS`.
        max_receives: 500,
    }
}

/// Receives within which a delivery has to succeed. Each may send its audience the same messages
/// again, and a client that has stopped reading fails all of them.
pub const MAX_DELIVERY_ATTEMPTS: u32 = 10;

/// Longest delay of a message that SQS takes, in seconds.
pub const MAX_DELAY_SECONDS: i64 = 900;

/// An outage of the delivery function for hours makes no dead letter of a watchdog.
const _: () = assert!(
    DeliveryQueue::SPEC.visibility_timeout_seconds * DeliveryQueue::SPEC.max_receives
        >= 4 * 60 * 60
);

/// A message that comes from a dead consumer is visible again soon after a lease would have ended.
const _: () = assert!(
    DeliveryQueue::SPEC.visibility_timeout_seconds as i64
        <= LEASE_SECONDS + WATCHDOG_MARGIN_SECONDS
);

/// A job to run. The job's item says everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// The job.
    pub job_id: JobId,
    /// The watchdog has sent it, in case the ticket before it is lost or held by a dead run. It is
    /// dropped if the job is held or has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_watchdog: bool,
}

impl JobMessage {
    /// The ticket of a job that waits to be run.
    pub fn new(job_id: JobId) -> Self {
        Self {
            job_id,
            from_watchdog: false,
        }
    }

    /// A second ticket of the job, for the case that the first is lost.
    pub fn from_watchdog(job_id: JobId) -> Self {
        Self {
            job_id,
            from_watchdog: true,
        }
    }
}

/// What some connections lack of a job's messages: a pointer, no payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryTask {
    /// The job.
    pub job_id: JobId,
    /// Who lacks it.
    pub audience: Recipients,
    /// What it is. Pointers that were on the queue when this was added are of the [`DeliveryKind::Log`].
    #[serde(default)]
    pub content: DeliveryKind,
    /// The audience has every durable message up to and including this.
    pub after_seq: u64,
    /// The last durable message that the pointer stands for. Without it, a pointer to the log stands
    /// for all that follows, one to published messages for the one after `after_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through_seq: Option<u64>,
    /// It replaces a pointer that [`MAX_DELIVERY_ATTEMPTS`] did not settle, and is not replaced itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewed: bool,
}

impl DeliveryTask {
    /// The whole log after `after_seq`.
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

    /// A look at the job: see [`DeliveryKind::Watchdog`].
    pub fn watchdog(job_id: JobId, epoch: Option<u64>) -> Self {
        Self {
            content: DeliveryKind::Watchdog { epoch },
            ..Self::log(job_id, Recipients::AllSubscribers, 0)
        }
    }

    /// The same pointer for the durable messages through `through_seq` only. Those that follow are
    /// sent by their publisher, and would come twice.
    #[must_use]
    pub fn through(self, through_seq: u64) -> Self {
        Self {
            through_seq: Some(through_seq),
            ..self
        }
    }

    /// The same pointer, with its receives counted anew, once.
    #[must_use]
    pub fn renew(self) -> Self {
        Self {
            renewed: true,
            ..self
        }
    }
}

/// Whom a delivery is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipients {
    /// Everyone who watches the job.
    AllSubscribers,
    /// Who watches the job and whose connection's id sorts after this one: the subscribers beyond
    /// those that a publisher posts to itself.
    SubscribersAfter(String),
    /// These connections, by API Gateway's ids: one, or a stretch of neighbours in the order of the
    /// subscribers' table, which is read as one range.
    Connections(Vec<String>),
}

/// What a delivery brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// The log after `after_seq`.
    #[default]
    Log,
    /// The durable messages after `after_seq` and through `through_seq`, to whom they are their
    /// publisher's to send: who has read one from the log when it subscribed is left out. Those that
    /// follow have pointers of their own.
    Published,
    /// How far the job is now. Worth nothing once a durable message has followed `after_seq`.
    Progress,
    /// Nothing yet: a delayed look at a job whose run or worker may be dead. It ends the job if it
    /// was cancelled, commits what is in its log, has it run again, or fails it.
    Watchdog {
        /// The claim that is watched; a later claim has another watchdog. Without it, the job
        /// is watched until it ends.
        epoch: Option<u64>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_from_before_an_update_is_still_understood() {
        let earlier = r#"{"job_id":"job_1_a","audience":"all_subscribers","after_seq":2}"#;
        let pointer: DeliveryTask = serde_json::from_str(earlier).unwrap();
        assert_eq!(pointer.content, DeliveryKind::Log);
        assert!(!pointer.renewed);
        assert_eq!(serde_json::to_value(&pointer).unwrap().get("renewed"), None);
    }

    #[test]
    fn ticket_from_before_an_update_is_no_watchdogs() {
        let ticket: JobMessage = serde_json::from_str(r#"{"job_id":"job_1_a"}"#).unwrap();
        assert_eq!(ticket, JobMessage::new("job_1_a".parse().unwrap()));
        assert_eq!(
            serde_json::to_string(&ticket).unwrap(),
            r#"{"job_id":"job_1_a"}"#
        );
    }
}
