//! The event source mapping between a queue and the function that consumes it.

use cloudformation::{
    ConstructPath,
    resources::lambda::{EventSourceMapping, FunctionResponseType, ScalingConfig},
};
use typed_contract::functions::Trigger;

use crate::{
    error::SynthError, function::Function, queue::Queue, settings::QueueConcurrency, stack::Stack,
};

impl Queue {
    /// Invokes a function with the queue's messages, in batches of the size that the function's
    /// [`Trigger::Queue`] declares. The function reports failed messages one by one, so that the others of
    /// the batch are not delivered again.
    ///
    /// `concurrency` limits the concurrent invocations; the function's reserved concurrency limits them
    /// as well. Fails with [`SynthError::NotATrigger`] if the function does not declare the trigger.
    pub fn add_event_source(
        &self,
        stack: &mut Stack,
        function: &Function,
        concurrency: QueueConcurrency,
    ) -> Result<(), SynthError> {
        let path = ConstructPath::root(self.spec.name)
            .child(function.spec.name)
            .child("EventSource");
        let mut triggers = function.spec.triggers.iter();
        let batch_size = triggers.find_map(|trigger| match trigger {
            Trigger::Queue { queue, batch_size } if *queue == self.spec => Some(*batch_size),
            _ => None,
        });
        let batch_size = batch_size.ok_or_else(|| SynthError::NotATrigger {
            function: function.spec.name,
            source_name: format!("the queue '{}'", self.spec.name),
        })?;
        let mapping = EventSourceMapping {
            function_name: function.resource.name(),
            event_source_arn: self.resource.arn(),
            batch_size,
            function_response_types: [FunctionResponseType::ReportBatchItemFailures],
            scaling_config: ScalingConfig {
                maximum_concurrency: concurrency
                    .within(function.reserved_concurrency)
                    .invocations(),
            },
            tags: stack.tags().list(),
        };
        stack.add(&path, mapping)?;
        Ok(())
    }
}
