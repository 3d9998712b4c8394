//! SQS: standard queues behind the service's JSON protocol.

mod persistence;
mod protocol;
mod queue;

pub(crate) use protocol::{TARGET_PREFIX, calls, fault_answer};
pub use queue::QueueDepth;
pub(crate) use queue::{Queue, Received};

use std::{collections::BTreeMap, path::Path, sync::Arc};

use self::persistence::Folder;
use crate::{error::StartError, template::QueueResource};

/// The queues by name.
#[derive(Debug)]
pub(crate) struct Sqs {
    queues: BTreeMap<String, Arc<Queue>>,
}

impl Sqs {
    /// The queues, with the messages that `kept` holds of an earlier run; from then on it holds
    /// theirs.
    pub(crate) fn open(
        resources: &[QueueResource],
        kept: Option<&Path>,
    ) -> Result<Self, StartError> {
        let mut queues = BTreeMap::new();
        for resource in resources {
            let name = &resource.name;
            let queue = match kept.map(|folder| folder.join(name)) {
                None => Queue::new(resource.clone(), None),
                Some(path) => Folder::open(path.clone())
                    .and_then(|folder| Queue::kept(resource.clone(), folder))
                    .map_err(|source| StartError::Folder { path, source })?,
            };
            queues.insert(name.clone(), Arc::new(queue));
        }
        for queue in queues.values() {
            if let Some((name, receives)) = &queue.resource.redrive
                && let Some(dead_letters) = queues.get(name)
            {
                queue.redrive_to(Arc::clone(dead_letters), *receives);
            }
        }
        Ok(Self { queues })
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<Queue>> {
        self.queues.get(name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values()
    }
}
