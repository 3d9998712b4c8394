//! An SQS queue with its dead-letter queue.

use typed_contract::queues::QueueSpec;

use super::{Stack, SynthError};
use crate::{
    resources::sqs::{self, RedrivePolicy},
    template::{ConstructPath, Handle},
};

/// The longest name that SQS allows.
const MAX_NAME_LENGTH: usize = 80;

/// The retention of messages: SQS's default.
const RETENTION_SECONDS: u32 = 4 * 24 * 60 * 60;

/// The retention of dead letters: SQS's maximum.
const DEAD_LETTER_RETENTION_SECONDS: u32 = 14 * 24 * 60 * 60;

/// A queue of the contract, with its dead-letter queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The queue as the contract declares it.
    pub spec: &'static QueueSpec,
    /// The queue in the template.
    pub resource: Handle<sqs::Queue>,
    /// The dead-letter queue in the template.
    pub dead_letters: Handle<sqs::Queue>,
}

impl Queue {
    /// Adds the queue and its dead-letter queue.
    pub fn add(stack: &mut Stack, spec: &'static QueueSpec) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let dead_letter_name = format!("{}-dead-letters", spec.name);
        let dead_letters = sqs::Queue {
            queue_name: Some(stack.physical_name("queue", &dead_letter_name, MAX_NAME_LENGTH)?),
            visibility_timeout: None,
            message_retention_period: DEAD_LETTER_RETENTION_SECONDS,
            redrive_policy: None,
            sqs_managed_sse_enabled: true,
            tags: stack.tags().list(),
        };
        let dead_letters = stack.add_data(&path.child("DeadLetterQueue"), dead_letters)?;
        let queue = sqs::Queue {
            queue_name: Some(stack.physical_name("queue", spec.name, MAX_NAME_LENGTH)?),
            visibility_timeout: Some(spec.visibility_timeout_seconds),
            message_retention_period: RETENTION_SECONDS,
            redrive_policy: Some(RedrivePolicy {
                dead_letter_target_arn: dead_letters.arn(),
                max_receive_count: spec.max_receives,
            }),
            sqs_managed_sse_enabled: true,
            tags: stack.tags().list(),
        };
        let resource = stack.add_data(&path.child("Queue"), queue)?;
        stack.add_output(
            &format!("{}_queue_name", spec.name),
            &format!("The name of the queue {}", spec.name),
            resource.name(),
        )?;
        stack.add_output(
            &format!("{}_dead_letter_queue_name", spec.name),
            &format!(
                "The name of the queue with the dead letters of {}",
                spec.name
            ),
            dead_letters.name(),
        )?;
        Ok(Self {
            spec,
            resource,
            dead_letters,
        })
    }
}
