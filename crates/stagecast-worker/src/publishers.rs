//! A cache of publishers between posts. A process serves many posts of a job. A publisher that is kept
//! already knows the job's subscribers, and which connections the delivery function serves, so that
//! later messages do not overtake its deliveries.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use granted_aws::Objects;
use stagecast_contract::functions::WorkerFunction;
use stagecast_core::{
    delivery::{Publisher, Stores},
    models::Job,
    stores::Lease,
};

/// Maximum number of cached publishers.
const CAPACITY: usize = 32;

/// The publishers of the last posts, oldest first. Each was flushed: what it could not send is queued
/// for the delivery function.
#[derive(Debug, Default)]
pub(crate) struct Publishers(Mutex<VecDeque<Publisher<WorkerFunction>>>);

impl Publishers {
    /// Removes the publisher of the job from the cache. Creates one if there is none for the job's current
    /// claim and `seq`.
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
        // Another process may have published since; then the cached state is outdated.
        let mut publisher = known
            .filter(|publisher| *publisher.lease() == lease && publisher.seq() == job.seq)
            .unwrap_or_else(|| Publisher::new(Arc::clone(stores), objects, job, lease));
        publisher.refresh_artifacts(job);
        publisher
    }

    /// Caches a publisher for the next post of its job.
    pub(crate) fn keep(&self, publisher: Publisher<WorkerFunction>) {
        let mut kept = self.lock();
        if kept.len() == CAPACITY {
            kept.pop_front();
        }
        kept.push_back(publisher);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Publisher<WorkerFunction>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
