//! Writes to a job that awaits its input.

use aws_sdk_dynamodb::types::AttributeValue;
use granted_aws::text;
use stagecast_contract::{
    messages::{JobError, JobStatus},
    tables::Jobs,
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{JobStore, StoreError};
use crate::models::Job;

/// The condition of a write to an upload: it is not complete, and nothing has ended it.
const PENDING: &str =
    "#status = :awaiting AND cancel_requested = :false AND attribute_not_exists(upload.failure)";

impl<F: Function> JobStore<F> {
    /// Queues a job whose input is complete. `content_type` is the input's media type. Returns the job after
    /// it, also if an earlier call has queued it; none if the job has ended or is to end.
    pub async fn complete_upload(
        &self,
        job: &Job,
        content_type: &str,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let now = self.clock.now();
        let claim_by = job.claim_by_if_queued_at(now);
        let set_claim_by = claim_by.map_or("", |_| ", claim_by = :claim_by");
        let queued = self
            .change("queuing a job with its input", || {
                let update = self.update(&job.job_id);
                let update = match claim_by {
                    Some(time) => update.expression_attribute_values(":claim_by", text(time)),
                    None => update,
                };
                update
                    .update_expression(format!(
                        "SET #status = :queued, message = :message, content_type = :type, \
                         updated_at = :now{set_claim_by} REMOVE upload",
                    ))
                    .condition_expression(PENDING)
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":awaiting", text(JobStatus::AwaitingInput.name()))
                    .expression_attribute_values(":false", AttributeValue::Bool(false))
                    .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                    .expression_attribute_values(":message", text(job.queued_message()))
                    .expression_attribute_values(":type", text(content_type))
                    .expression_attribute_values(":now", text(now))
            })
            .await?;
        if queued.is_some() {
            return Ok(queued);
        }
        let current = self.load(&job.job_id).await?;
        Ok(current.filter(|current| current.upload.is_none()))
    }

    /// Decides that a job that awaits its input fails with `failure`. From then on the upload cannot be
    /// completed, so the end of the job can be logged. Returns the job with the failure that was decided
    /// first; none if the job does not await its input, or its cancellation was requested.
    pub async fn fail_upload(
        &self,
        job: &Job,
        failure: &JobError,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let value: AttributeValue = serde_dynamo::to_attribute_value(failure)
            .map_err(|error| StoreError::call("failing the upload")(error.to_string()))?;
        let failed = self
            .change("failing the upload", || {
                self.update(&job.job_id)
                    .update_expression("SET upload.failure = :failure")
                    .condition_expression(PENDING)
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":awaiting", text(JobStatus::AwaitingInput.name()))
                    .expression_attribute_values(":false", AttributeValue::Bool(false))
                    .expression_attribute_values(":failure", value.clone())
            })
            .await?;
        if failed.is_some() {
            return Ok(failed);
        }
        let current = self.load(&job.job_id).await?;
        Ok(current.filter(|current| {
            current.status == JobStatus::AwaitingInput && current.upload_failure().is_some()
        }))
    }
}
