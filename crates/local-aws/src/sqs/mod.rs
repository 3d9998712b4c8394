//! SQS: standard queues with the service's JSON protocol.

mod message;
mod persistence;
mod protocol;
mod queue;

pub(crate) use protocol::{TARGET_PREFIX, calls, fault_response};
pub use queue::QueueDepth;
pub(crate) use queue::{Queue, Received};

use std::{collections::BTreeMap, path::Path, sync::Arc};

use self::persistence::MessageFolder;
use crate::{error::StartError, template::QueueResource};

/// The queues by name.
#[derive(Debug)]
pub(crate) struct Sqs {
    queues: BTreeMap<String, Arc<Queue>>,
}

impl Sqs {
    /// Creates the queues. With `data_dir`, restores the messages of an earlier run and persists all
    /// messages there.
    pub(crate) fn open(
        resources: &[QueueResource],
        data_dir: Option<&Path>,
    ) -> Result<Self, StartError> {
        let mut queues = BTreeMap::new();
        for resource in resources {
            let name = &resource.name;
            let queue = match data_dir.map(|folder| folder.join(name)) {
                None => Queue::new(resource.clone(), None),
                Some(path) => MessageFolder::open(path.clone())
                    .and_then(|folder| Queue::restore(resource.clone(), folder))
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
