//! The record of an operator's retry in the item of a job that has ended.

use granted_aws::text;
use stagecast_contract::{ids::JobId, messages::JobStatus, tables::Jobs, timestamp::Timestamp};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{JobStore, StoreError};

/// The result of reserving the id of a job that retries another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryReservation {
    /// The job is to be retried under this id: the given one, or that of an earlier retry, which may have been
    /// interrupted before it created its job.
    Reserved {
        /// The id of the job that retries this one.
        retry: JobId,
        /// When the id was reserved.
        at: Timestamp,
    },
    /// The job has not failed and was not cancelled, or does not exist any more.
    NotRetryable(Option<JobStatus>),
}

impl<F: Function> JobStore<F> {
    /// Records in a failed or cancelled job that `retry` retries it. `former` is the id of an earlier retry that it
    /// replaces; without it, an earlier retry stays. Nothing else of the job changes: it has ended, and its snapshot
    /// is final.
    pub async fn reserve_retry(
        &self,
        job_id: &JobId,
        retry: &JobId,
        former: Option<&JobId>,
    ) -> Result<RetryReservation, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let unless_retried = match former {
            None => "attribute_not_exists(retried_as)",
            Some(_) => "retried_as = :former",
        };
        let now = self.clock.now();
        let reserved = self
            .change("recording the retry", || {
                let update = self
                    .update(job_id)
                    .update_expression("SET retried_as = :retry, retried_at = :now")
                    .condition_expression(format!(
                        "#status IN (:failed, :cancelled) AND ({unless_retried} OR retried_as = :retry)"
                    ))
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":retry", text(retry))
                    .expression_attribute_values(":now", text(now))
                    .expression_attribute_values(":failed", text(JobStatus::Failed.name()))
                    .expression_attribute_values(":cancelled", text(JobStatus::Cancelled.name()));
                match former {
                    None => update,
                    Some(former) => update.expression_attribute_values(":former", text(former)),
                }
            })
            .await?;
        if reserved.is_some() {
            return Ok(RetryReservation::Reserved {
                retry: retry.clone(),
                at: now,
            });
        }
        let Some(current) = self.load(job_id).await? else {
            return Ok(RetryReservation::NotRetryable(None));
        };
        Ok(match (current.status, current.retried_as) {
            (JobStatus::Failed | JobStatus::Cancelled, Some(retry)) => RetryReservation::Reserved {
                retry,
                at: current.retried_at.unwrap_or(now),
            },
            (status, _) => RetryReservation::NotRetryable(Some(status)),
        })
    }
}
