//! Claims that an external worker ends without an end of the job.

use granted_aws::{number, text};
use stagecast_contract::{messages::JobStatus, tables::Jobs, timestamp::Timestamp};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{JobStore, Lease, StoreError, UNDER_LEASE};
use crate::models::Job;

/// The result of a release by an external worker.
#[derive(Clone, Debug, PartialEq)]
pub enum HandBack {
    /// The job waits for its next claim. Contains the job as it is now.
    Queued(Box<Job>),
    /// The job has ended, has a later claim, or an event of the claim was committed since it was read. Contains
    /// the job as it is now.
    Changed(Box<Job>),
    /// The job does not exist any more.
    NotFound,
}

impl<F: Function> JobStore<F> {
    /// Ends the latest claim of `job`, which was just read, without counting its attempt. The job can be claimed
    /// again at once, or from `due` on. Idempotent while there is no later claim.
    pub async fn hand_back(&self, job: &Job, due: Option<Timestamp>) -> Result<HandBack, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let lease = Lease {
            job_id: job.job_id.clone(),
            epoch: job.epoch,
        };
        let counted = job.attempts_without_progress;
        let released = job.released_until(due);
        let queued = self
            .change("releasing the job", || {
                let mut expression = "SET #status = :queued, lease_expires_at = :zero, \
                                      attempts_without_progress = :refunded"
                    .to_owned();
                let mut update = self
                    .update_under_lease(&lease)
                    // A stage that finishes resets the count.
                    .condition_expression(format!(
                        "{UNDER_LEASE} AND attempts_without_progress = :counted"
                    ))
                    .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                    .expression_attribute_values(":zero", number(0))
                    .expression_attribute_values(":counted", number(counted))
                    .expression_attribute_values(
                        ":refunded",
                        number(released.attempts_without_progress),
                    );
                if let Some(due) = due {
                    expression.push_str(", run_at = :due");
                    update = update.expression_attribute_values(":due", text(due));
                }
                if let (Some(_), Some(since)) = (due, released.claimable_since) {
                    expression.push_str(", since = :since");
                    update = update.expression_attribute_values(":since", number(since));
                }
                update.update_expression(expression)
            })
            .await?;
        if let Some(queued) = queued {
            return Ok(HandBack::Queued(Box::new(queued)));
        }
        Ok(match self.load(&job.job_id).await? {
            None => HandBack::NotFound,
            // An earlier attempt whose response was lost has done it.
            Some(current) if current.is_released_by(job.epoch) => {
                HandBack::Queued(Box::new(current))
            }
            Some(current) => HandBack::Changed(Box::new(current)),
        })
    }
}
