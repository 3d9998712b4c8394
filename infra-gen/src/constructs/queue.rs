//! An SQS queue, its dead letters, and the functions that it feeds.

use contract::queues::QueueSpec;

use super::{Function, Stack, SynthError};
use crate::{
    resources::{
        lambda::{EventSourceMapping, FunctionResponseType, ScalingConfig},
        sqs::{self, RedrivePolicy},
    },
    template::{ConstructPath, Handle},
};

/// The longest name that SQS takes.
const MAX_NAME_LENGTH: usize = 80;

/// How long messages wait to be received: SQS's default.
const RETENTION_SECONDS: u32 = 4 * 24 * 60 * 60;

/// How long dead letters wait for a person: the longest that SQS has.
const DEAD_LETTER_RETENTION_SECONDS: u32 = 14 * 24 * 60 * 60;

/// A queue of the contract. What is received too often goes to its dead letters.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The queue as the contract declares it.
    pub spec: &'static QueueSpec,
    /// The queue in the template.
    pub resource: Handle<sqs::Queue>,
    /// Its dead letters in the template.
    pub dead_letters: Handle<sqs::Queue>,
}

impl Queue {
    /// Adds the queue and its dead letters.
    pub fn add(stack: &mut Stack, spec: &'static QueueSpec) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let dead_letter_name = format!("{}-dead-letters", spec.name);
        let dead_letters = sqs::Queue {
            queue_name: stack.physical_name("queue", &dead_letter_name, MAX_NAME_LENGTH)?,
            visibility_timeout: None,
            message_retention_period: DEAD_LETTER_RETENTION_SECONDS,
            redrive_policy: None,
            sqs_managed_sse_enabled: true,
            tags: stack.tags().list(),
        };
        let dead_letters = stack.add_data(&path.child("DeadLetterQueue"), dead_letters)?;
        let queue = sqs::Queue {
            queue_name: stack.physical_name("queue", spec.name, MAX_NAME_LENGTH)?,
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

    /// Lets the queue's messages invoke a function. A message that fails comes back alone, not
    /// with its batch.
    pub fn add_event_source(
        &self,
        stack: &mut Stack,
        function: &Function,
        batch_size: u32,
    ) -> Result<(), SynthError> {
        let path = ConstructPath::root(self.spec.name)
            .child(function.spec.name)
            .child("EventSource");
        let environment = stack.environment();
        let mapping = EventSourceMapping {
            function_name: function.resource.name(),
            event_source_arn: self.resource.arn(),
            batch_size,
            function_response_types: [FunctionResponseType::ReportBatchItemFailures],
            scaling_config: ScalingConfig {
                maximum_concurrency: (environment.queue_concurrency)(function.spec)
                    .within((environment.reserved_concurrency)(function.spec))
                    .invocations(),
            },
            tags: stack.tags().list(),
        };
        stack.add(&path, mapping)?;
        Ok(())
    }
}
