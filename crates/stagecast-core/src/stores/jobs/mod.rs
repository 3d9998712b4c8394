//! Jobs. Every write of a run is conditional on its lease.

mod claims;
mod commits;
mod creations;
mod durations;
mod progress_point;
mod releases;
mod retries;
mod runs;
mod unattended;
mod uploads;
mod worker_reports;

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue},
};
use granted_aws::{Database, text};
use stagecast_contract::{
    ids::JobId,
    messages::JobStatus,
    tables::{JobKey, Jobs},
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

pub(super) use claims::UNDER_LEASE;
pub use claims::{Claim, ExternalClaim, Lease};
pub use commits::{Commit, Commits};
pub use creations::CreationOutcome;
pub use progress_point::ProgressPoint;
pub use releases::HandBack;
pub use retries::RetryReservation;
pub use runs::ProgressWrite;
pub use worker_reports::WorkerReport;

use super::{
    StoreError,
    error::{condition_met, is_conflict},
};
use crate::{
    clock::Clock,
    models::{Job, SentRange},
    retry::RetryPolicy,
};

/// The items of `jobs`.
#[derive(Debug)]
pub struct JobStore<F> {
    database: Database<F>,
    clock: Clock,
}

impl<F> Clone for JobStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<F: Function> JobStore<F> {
    /// A store of jobs in the table of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Reads a job consistently. None when it does not exist or has expired.
    pub async fn load(&self, job_id: &JobId) -> Result<Option<Job>, StoreError>
    where
        F: Granted<GetItem<Jobs>>,
    {
        let answer = self
            .database
            .get_item(&JobKey {
                job_id: job_id.as_str(),
            })
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::of("reading the job"))?;
        let job = answer.item.map(Job::from_dynamodb_item).transpose()?;
        Ok(job.filter(|job| job.is_live(self.clock.now())))
    }

    /// Requests the cancellation of a job. None when it has ended or does not exist.
    pub async fn request_cancel(&self, job_id: &JobId) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("requesting the cancellation", || {
            self.update(job_id)
                .update_expression("SET cancel_requested = :true")
                .condition_expression("#status IN (:awaiting, :queued, :running)")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .expression_attribute_values(":awaiting", text(JobStatus::AwaitingInput.name()))
                .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                .expression_attribute_values(":running", text(JobStatus::Running.name()))
        })
        .await
    }

    /// Records which part of the log was queued to be sent again.
    pub async fn record_redelivery(&self, job_id: &JobId, sent: SentRange) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let sent: AttributeValue = serde_dynamo::to_attribute_value(sent)
            .map_err(|error| StoreError::call("recording a redelivery")(error.to_string()))?;
        self.change("recording a redelivery", || {
            self.update(job_id)
                .update_expression("SET redelivered = :sent")
                .condition_expression("attribute_exists(job_id)")
                .expression_attribute_values(":sent", sent.clone())
        })
        .await?;
        Ok(())
    }

    fn update(&self, job_id: &JobId) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.database
            .update_item(&JobKey {
                job_id: job_id.as_str(),
            })
            .return_values(ReturnValue::AllNew)
    }

    /// Sends an update and returns the job after it. None when its condition does not hold.
    async fn change(
        &self,
        operation: &'static str,
        update: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Option<Job>, StoreError> {
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| update().send(), is_conflict::<UpdateItemError>)
            .await;
        let Some(answer) = condition_met(operation, answer)? else {
            return Ok(None);
        };
        let item = answer.attributes.unwrap_or_default();
        Ok(Some(Job::from_dynamodb_item(item)?))
    }
}
