//! SQS: standard queues in memory behind the service's JSON protocol.

mod protocol;
mod queue;

pub(crate) use protocol::{TARGET_PREFIX, calls, fault_answer};
pub use queue::QueueDepth;
pub(crate) use queue::{Queue, Received};

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use self::queue::Message;
use crate::template::QueueResource;

/// The queues by name.
#[derive(Debug)]
pub(crate) struct Sqs {
    queues: BTreeMap<String, Arc<Queue>>,
}

impl Sqs {
    pub(crate) fn new(resources: &[QueueResource]) -> Self {
        let mut queues = BTreeMap::new();
        for resource in resources {
            queues.insert(
                resource.name.clone(),
                Arc::new(Queue::new(resource.clone())),
            );
        }
        for queue in queues.values() {
            if let Some((name, receives)) = &queue.resource.redrive
                && let Some(dead_letters) = queues.get(name)
            {
                queue.redrive_to(Arc::clone(dead_letters), *receives);
            }
        }
        Self { queues }
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<Queue>> {
        self.queues.get(name)
    }

    /// Writes the queued messages to a file.
    pub(crate) fn keep(&self, file: &Path) -> io::Result<()> {
        let queues = self.queues.iter();
        let messages = queues.map(|(name, queue)| (name, queue.messages()));
        let text = serde_json::to_vec_pretty(&messages.collect::<BTreeMap<_, _>>())?;
        std::fs::write(file, text)
    }

    /// Puts back what [`Sqs::keep`] wrote, if it did.
    pub(crate) fn restore(&self, file: &Path) {
        let Ok(text) = std::fs::read(file) else {
            return;
        };
        // Should this run end without keeping its messages, they are not to come back as they
        // were before it. If the file stays, they do.
        let _ = std::fs::remove_file(file);
        match serde_json::from_slice::<BTreeMap<String, Vec<Message>>>(&text) {
            Ok(queues) => {
                for (name, messages) in queues {
                    if let Some(queue) = self.queue(&name) {
                        queue.restore(messages);
                    }
                }
            }
            Err(error) => tracing::warn!("{} is not read: {error}", file.display()),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values()
    }
}
