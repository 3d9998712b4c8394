//! A job of an external worker, and what a dead worker leaves.

use std::sync::Arc;

use local_aws::{Fault, Times};
use stagecast_contract::{
    functions::{DeliveryFunction, WorkerFunction},
    limits::LEASE_SECONDS,
    messages::{FailureCode, JobError},
};
use stagecast_core::{
    clock::Clock,
    delivery::{Publisher, Stores},
    models::Job,
    stores::{Claim, ExternalClaim, Lease},
    unattended::Unattended,
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob, external_job, json, objects, stores},
};

/// One job with the functions that its worker and the watchdog call.
pub(crate) struct External {
    pub(crate) aws: TestAws,
    pub(crate) clock: Clock,
    pub(crate) job: TestJob,
    pub(crate) worker: Arc<Stores<WorkerFunction>>,
    pub(crate) unattended: Unattended<DeliveryFunction>,
}

impl External {
    /// A job that no worker has claimed.
    pub(crate) async fn new() -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let job = external_job(&aws, &clock, 1).await;
        let delivery = stores::<DeliveryFunction>(&aws, &clock);
        let unattended = Unattended::new(
            delivery.jobs.clone(),
            delivery.events.clone(),
            delivery.waiting.clone(),
            delivery.queues.clone(),
            clock.clone(),
        );
        let worker = stores::<WorkerFunction>(&aws, &clock);
        Self {
            aws,
            clock,
            job,
            worker,
            unattended,
        }
    }

    /// The job as it is now.
    pub(crate) async fn load(&self) -> Job {
        let job = self
            .worker
            .jobs
            .load(&self.job.id)
            .await
            .expect("the job can be read");
        job.expect("the job is in its table")
    }

    /// The worker's claim of the job as it is now.
    pub(crate) async fn claim(&self) -> Lease {
        let external = ExternalClaim {
            stages: &["a".to_owned()],
            worker_id: None,
            new_key: None,
        };
        let known = self.load().await;
        match self
            .worker
            .jobs
            .claim_for(&known, external)
            .await
            .expect("the job can be claimed")
        {
            Claim::Acquired { lease, .. } => lease,
            other => panic!("not acquired: {other:?}"),
        }
    }

    /// The publisher of a request of the worker under this claim.
    pub(crate) async fn publisher(&self, lease: &Lease) -> Publisher<WorkerFunction> {
        let objects = objects::<WorkerFunction>(&self.aws);
        let job = self.load().await;
        Publisher::new(Arc::clone(&self.worker), &objects, &job, lease.clone())
    }

    /// The end of the lease of the last claim.
    pub(crate) fn end_lease(&self) {
        self.clock.advance(LEASE_SECONDS + 1);
    }

    /// The worker claims the job, writes the end of stage `a` to the log and dies before it is
    /// committed. The publisher of its request.
    pub(crate) async fn die_before_commit(&self) -> Publisher<WorkerFunction> {
        let lease = self.claim().await;
        let mut publisher = self.publisher(&lease).await;
        self.fail_updates_after(0);
        let finished = publisher.finish_stage("a", None, json("1")).await;
        finished.expect_err("the commit fails");
        self.aws.faults().clear();
        self.end_lease();
        publisher
    }

    /// The watchdog fails the job of a silent worker, and dies before that is committed.
    pub(crate) async fn give_up_before_commit(&self) {
        self.claim().await;
        self.end_lease();
        // The first update is the watchdog's claim.
        self.fail_updates_after(1);
        let given_up = self.unattended.give_up(&self.load().await, lost()).await;
        given_up.expect_err("the commit fails");
        self.aws.faults().clear();
    }

    /// Lets the tables fail each update after the first `count`.
    fn fail_updates_after(&self, count: usize) {
        let successes = Times::new(count);
        self.aws.faults().on_call(move |call| {
            let is_update = call.operation == "dynamodb:UpdateItem";
            (is_update && !successes.take()).then_some(Fault::Outage)
        });
    }
}

/// Why the watchdog fails a job.
pub(crate) fn lost() -> JobError {
    JobError::of(
        FailureCode::WorkerLost,
        "the worker has been silent".to_owned(),
    )
}
