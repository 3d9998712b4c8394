//! The publishers of the jobs that were told of here last. A process serves many posts of a job: one
//! publisher for all of them knows the job's subscribers already, and keeps what it has left to the
//! delivery function from being overtaken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::functions::WorkerFunction;
use handlers_core::{
    aws::Objects,
    delivery::{Publisher, Stores},
    models::Job,
    stores::Lease,
};

/// Publishers that are kept.
const KEPT: usize = 32;

/// The last publishers, oldest first. Each was flushed: what could not be sent is left to the
/// delivery function.
#[derive(Debug, Default)]
pub(crate) struct Publishers(Mutex<VecDeque<Publisher<WorkerFunction>>>);

impl Publishers {
    /// The publisher of a job as it is now, for its current claim.
    pub(crate) fn take(
        &self,
        stores: &Arc<Stores<WorkerFunction>>,
        objects: &Objects<WorkerFunction>,
        job: &Job,
    ) -> Publisher<WorkerFunction> {
        let lease = Lease {
            job_id: job.job_id.clone(),
            epoch: job.epoch,
        };
        let mut kept = self.lock();
        let found = kept
            .iter()
            .position(|publisher| publisher.lease().job_id == job.job_id);
        let known = found.and_then(|index| kept.remove(index));
        drop(kept);
        // Another process may have published since: then its knowledge is old.
        known
            .filter(|publisher| *publisher.lease() == lease && publisher.seq() == job.seq)
            .unwrap_or_else(|| Publisher::new(Arc::clone(stores), objects, job, lease))
    }

    /// Keeps a publisher for the next post.
    pub(crate) fn keep(&self, publisher: Publisher<WorkerFunction>) {
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(publisher);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Publisher<WorkerFunction>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
