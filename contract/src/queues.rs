//! The queues and what travels on them.

use serde::{Deserialize, Serialize};

use crate::{environment::Resource, ids::JobId};

/// A queue as the template declares it, together with its dead-letter queue.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name, before the stack's suffix.
    pub name: &'static str,
    /// The environment variable that holds the queue's URL in functions that use it.
    pub variable: &'static str,
    /// Seconds that a received message is hidden from other receivers. At least six times the
    /// consumer's timeout, as Lambda's documentation asks.
    pub visibility_timeout_seconds: u32,
    /// Receives after which a message goes to the dead-letter queue.
    pub max_receives: u32,
}

/// A queue of the contract.
pub trait Queue: Resource {
    /// What travels on the queue.
    type Message: Serialize + for<'de> Deserialize<'de>;
    /// How the template declares it.
    const SPEC: &'static QueueSpec;
}

/// Jobs that wait for a pipeline.
#[derive(Debug)]
pub struct JobQueue;

impl Queue for JobQueue {
    type Message = JobTicket;
    const SPEC: &'static QueueSpec = &QueueSpec {
        name: "jobs",
        variable: "JOBS_QUEUE_URL",
        visibility_timeout_seconds: 6 * 900,
        max_receives: 5,
    };
}

impl Resource for JobQueue {
    const VARIABLE: &'static str = Self::SPEC.variable;
}

/// Deliveries that a publisher could not, or should not, make itself.
#[derive(Debug)]
pub struct DeliveryQueue;

impl Queue for DeliveryQueue {
    type Message = DeliveryPointer;
    const SPEC: &'static QueueSpec = &QueueSpec {
        name: "deliveries",
        variable: "DELIVERIES_QUEUE_URL",
        visibility_timeout_seconds: 6 * 30,
        max_receives: 5,
    };
}

impl Resource for DeliveryQueue {
    const VARIABLE: &'static str = Self::SPEC.variable;
}

/// A job to run. The job's item says everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTicket {
    /// The job.
    pub job_id: JobId,
}

/// What some connections lack of a job's durable messages: a pointer into the log, no payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPointer {
    /// The job.
    pub job_id: JobId,
    /// Who lacks it.
    pub audience: Audience,
    /// The audience has everything up to and including this.
    pub after_seq: u64,
}

/// Whom a delivery is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everyone who watches the job.
    AllSubscribers,
    /// These connections, by API Gateway's ids.
    Connections(Vec<String>),
}
