//! The event source mapping between a queue and the function that consumes it.

use super::{Function, Queue, Stack, SynthError};
use crate::{
    resources::lambda::{EventSourceMapping, FunctionResponseType, ScalingConfig},
    template::ConstructPath,
};

impl Queue {
    /// Invokes a function with the queue's messages. The function reports failed messages one by one,
    /// so that the others of the batch are not delivered again.
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
