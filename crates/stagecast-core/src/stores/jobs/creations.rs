//! Creations of jobs, with and without an idempotency key.

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError, types::AttributeValue,
};
use granted_aws::{number, text};
use stagecast_contract::tables::{JobKey, Jobs};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, PutItem},
};

use super::JobStore;
use crate::{
    models::{Creation, Job},
    retry::RetryPolicy,
    stores::{
        StoreError,
        error::{condition_met, is_contended},
        transactions::{CancelledTransaction, cancellation_cause, contended},
    },
};

/// The SDK repeats a request when a response is lost, so a job of the same request is no other job.
const IS_NEW: &str = "attribute_not_exists(job_id) OR request_id = :request_id";

/// The result of a creation under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreationOutcome {
    /// The job was created.
    Created,
    /// An earlier request has used the idempotency key.
    Repeated(Creation),
    /// A job of another request has the same id.
    IdTaken,
}

impl<F: Function> JobStore<F> {
    /// Stores a new job. False when a job of another request has its id.
    pub async fn create(&self, job: &Job) -> Result<bool, StoreError>
    where
        F: Granted<PutItem<Jobs>>,
    {
        let answer = self
            .database
            .put_item::<Job>()
            .set_item(Some(job.to_dynamodb_item()?))
            .condition_expression(IS_NEW)
            .expression_attribute_values(":request_id", text(&job.request_id))
            .send()
            .await;
        Ok(condition_met("storing the job", answer)?.is_some())
    }

    /// The job that an idempotency key has created in the last 24 hours.
    pub async fn find_creation(&self, idempotency_key: &str) -> Result<Option<Creation>, StoreError>
    where
        F: Granted<GetItem<Jobs>>,
    {
        let id = Creation::item_id(idempotency_key);
        let answer = self
            .database
            .get_item(&JobKey { job_id: &id })
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::of("reading the idempotency key"))?;
        let creation = answer.item.map(Creation::from_dynamodb_item).transpose()?;
        Ok(creation.filter(|creation| creation.is_live(self.clock.now())))
    }

    /// Stores a new job together with the record of its idempotency key, or neither.
    pub async fn create_once(
        &self,
        job: &Job,
        creation: &Creation,
        idempotency_key: &str,
    ) -> Result<CreationOutcome, StoreError>
    where
        F: Granted<PutItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        const OPERATION: &str = "storing the job under its idempotency key";
        let now: AttributeValue = number(self.clock.now().epoch_seconds());
        let (creation_item, job_item) = (creation.to_dynamodb_item()?, job.to_dynamodb_item()?);
        let request = self
            .database
            .transaction()
            .put::<Creation>(|put| {
                put.set_item(Some(creation_item))
                    .condition_expression("attribute_not_exists(job_id) OR expires_at <= :now")
                    .expression_attribute_values(":now", now)
            })?
            .put::<Job>(|put| {
                put.set_item(Some(job_item))
                    .condition_expression(IS_NEW)
                    .expression_attribute_values(":request_id", text(&job.request_id))
            })?
            .build();
        let is_conflict = |error: &aws_sdk_dynamodb::error::SdkError<TransactWriteItemsError>| {
            matches!(
                error.as_service_error(),
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if is_contended(cancelled.cancellation_reasons())
            )
        };
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| request.clone().send(), is_conflict)
            .await;
        let Err(error) = answer else {
            return Ok(CreationOutcome::Created);
        };
        match cancellation_cause(OPERATION, error) {
            CancelledTransaction::Failed(error) => Err(error),
            CancelledTransaction::Contended => Err(contended(OPERATION)),
            CancelledTransaction::Condition => {
                Ok(match self.find_creation(idempotency_key).await? {
                    // The response to this request was lost.
                    Some(found) if found.created_job_id == job.job_id => CreationOutcome::Created,
                    Some(found) => CreationOutcome::Repeated(found),
                    None => CreationOutcome::IdTaken,
                })
            }
        }
    }
}
