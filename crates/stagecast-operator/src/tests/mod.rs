//! The operator on AWS services in the test's process.

mod cancel;
mod dead_letters;
mod details;
mod list;
mod logs;
mod permissions;
mod retry;

use std::convert::Infallible;

use granted_aws::Database;
use stagecast_contract::{
    functions::JobsFunction,
    messages::{FailureCode, JobError, JobStatus},
    queues,
};
use stagecast_core::{
    clock::Clock,
    models::{Job, OwnedJob},
    stores::{JobStore, OwnedJobStore, WaitingJobStore},
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob},
};
use typed_contract::names::DEAD_LETTERS;

use crate::{Operator, callers::Viewer, resources::Resources};

/// A stack with its operator.
struct Site {
    aws: TestAws,
    clock: Clock,
    operator: Operator,
}

impl Site {
    fn new() -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        let bucket = aws.variable::<JobsFunction>("OBJECTS_BUCKET");
        let resources = Resources::new(
            |table| Ok::<_, Infallible>(table.name.to_owned()),
            bucket.expect("the function has a bucket"),
            queues::ALL,
            |queue| {
                Ok((
                    queue.name.to_owned(),
                    format!("{}{DEAD_LETTERS}", queue.name),
                ))
            },
        );
        let Ok(resources) = resources;
        let config = (*aws.config::<Viewer>()).clone();
        let operator = Operator::new(config, resources, clock.clone()).expect("all resources");
        Self {
            aws,
            clock,
            operator,
        }
    }

    /// A job in its table as `change` makes it.
    async fn job(&self, number: u8, change: impl FnOnce(Job) -> Job) -> TestJob {
        fixtures::job_as(&self.aws, &self.clock, number, change).await
    }

    /// A job that has failed.
    async fn failed(&self, number: u8, change: impl FnOnce(Job) -> Job) -> TestJob {
        self.job(number, |job| change(with_failure(job))).await
    }

    /// The item of a job.
    async fn item(&self, job: &TestJob) -> Job {
        self.operator.load(&job.id).await.expect("the job exists")
    }

    fn database(&self) -> Database<JobsFunction> {
        let environment = fixtures::environment::<JobsFunction>(&self.aws);
        Database::new(&self.aws.config::<JobsFunction>(), &environment)
    }

    fn jobs(&self) -> JobStore<JobsFunction> {
        JobStore::new(self.database(), self.clock.clone())
    }

    fn waiting(&self) -> WaitingJobStore<JobsFunction> {
        WaitingJobStore::new(self.database(), self.clock.clone())
    }

    /// Stores the entry of a job in the list of its owner.
    async fn own(&self, job: &Job, millis: u64) {
        let entry = OwnedJob::of(job, millis).expect("it has an owner");
        let stored = OwnedJobStore::new(self.database()).put(&entry).await;
        stored.expect("the entry can be stored");
    }
}

/// The same job after it has failed.
fn with_failure(mut job: Job) -> Job {
    job.status = JobStatus::Failed;
    job.error = Some(JobError::of(FailureCode::JobTimedOut, "too slow"));
    job
}
