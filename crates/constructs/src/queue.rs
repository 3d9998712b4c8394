//! An SQS queue with its dead-letter queue.

use cloudformation::{
    ConstructPath, Handle,
    resources::sqs::{self, RedrivePolicy},
};
use typed_contract::{
    names::{DEAD_LETTERS, MAX_QUEUE_NAME_LENGTH},
    queues::QueueSpec,
};

use crate::{error::SynthError, stack::Stack};

/// The retention of messages: SQS's default.
const RETENTION_SECONDS: u32 = 4 * 24 * 60 * 60;

/// The retention of dead letters: SQS's maximum.
const DEAD_LETTER_RETENTION_SECONDS: u32 = 14 * 24 * 60 * 60;

/// A queue with its dead-letter queue, which keeps messages for 14 days.
///
/// ```
/// use constructs::{Queue, Stack, settings::StackSettings};
/// use typed_contract::queues::Queue as _;
///
/// typed_contract::queue! {
///     /// Orders by their ids.
///     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
///         message: String,
///         visibility_timeout_seconds: 60,
///         max_receives: 5,
///     }
/// }
///
/// let mut stack = Stack::new("A queue", StackSettings::default())?;
/// let queue = Queue::add(&mut stack, Shipments::SPEC)?;
/// stack.add_output("ShipmentsUrl", "The URL of the queue", queue.resource.url())?;
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Queue {
    /// The queue as it is declared.
    pub spec: &'static QueueSpec,
    /// The queue in the template.
    pub resource: Handle<sqs::Queue>,
    /// The dead-letter queue in the template.
    pub dead_letters: Handle<sqs::Queue>,
}

impl Queue {
    /// Adds the queue, its dead-letter queue, and an output with the name of each.
    pub fn add(stack: &mut Stack, spec: &'static QueueSpec) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let dead_letter_name = format!("{}{DEAD_LETTERS}", spec.name);
        let dead_letters = sqs::Queue {
            queue_name: Some(stack.physical_name(
                "queue",
                &dead_letter_name,
                MAX_QUEUE_NAME_LENGTH,
            )?),
            visibility_timeout: None,
            message_retention_period: DEAD_LETTER_RETENTION_SECONDS,
            redrive_policy: None,
            sqs_managed_sse_enabled: true,
            tags: stack.tags().list(),
        };
        let dead_letters = stack.add_data(&path.child("DeadLetterQueue"), dead_letters)?;
        let queue = sqs::Queue {
            queue_name: Some(stack.physical_name("queue", spec.name, MAX_QUEUE_NAME_LENGTH)?),
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
