//! Writes to a job that no run and no worker holds.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use granted_aws::{number, text};
use stagecast_contract::{messages::JobStatus, tables::Jobs};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{Commit, Commits, JobStore, Lease, StoreError, runs::REMOVE_STAGE_FIELDS};
use crate::models::Job;

/// The condition of a write without a lease: there is no later claim and no later commit, and the job
/// awaits its input, is queued, or its lease has ended.
const UNATTENDED: &str = "epoch = :epoch AND seq = :before AND \
                          (#status IN (:awaiting, :queued) OR (#status = :running AND lease_expires_at < :seconds))";

impl<F: Function> JobStore<F> {
    /// Claims an unattended job for a process that only writes its end. A former holder that returns has
    /// lost its lease. The lease is not renewed: the job stays unattended, and a worker may claim it at
    /// once. None when the job was claimed meanwhile, or its holder has returned.
    pub async fn take_unattended(&self, job: &Job) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let epoch = job.epoch + 1;
        let taken = self
            .change("claiming an unattended job", || {
                // Not by `ADD`, because the SDK repeats the request when a response is lost.
                self.unattended(job, job.seq)
                    .update_expression("SET epoch = :next")
                    .expression_attribute_values(":next", number(epoch))
            })
            .await?;
        if taken.is_some() {
            return Ok(taken);
        }
        // An earlier attempt whose response was lost may have done it. A worker's claim would have
        // renewed the lease.
        let current = self.load(&job.job_id).await?;
        Ok(current.filter(|current| {
            let is_as_read = current.status == job.status && current.seq == job.seq;
            is_as_read && current.epoch == epoch && current.lease_expires_at == job.lease_expires_at
        }))
    }

    /// Claims a running job for a process that only writes its end, also while another claim holds its lease:
    /// the holder has lost it. The job is unattended after it. None when the job was claimed meanwhile, or is
    /// not running any more.
    pub async fn revoke_lease(&self, job: &Job) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let lease = Lease {
            job_id: job.job_id.clone(),
            epoch: job.epoch,
        };
        let epoch = job.epoch + 1;
        let revoked = self
            .change("revoking a lease", || {
                // Not by `ADD`, because the SDK repeats the request when a response is lost.
                self.update_under_lease(&lease)
                    .update_expression("SET epoch = :next, lease_expires_at = :zero")
                    .expression_attribute_values(":next", number(epoch))
                    .expression_attribute_values(":zero", number(0))
            })
            .await?;
        if revoked.is_some() {
            return Ok(revoked);
        }
        // An earlier attempt whose response was lost may have done it. Every other claim of a running job has
        // a lease.
        let current = self.load(&job.job_id).await?;
        Ok(current.filter(|current| {
            current.status == JobStatus::Running
                && current.epoch == epoch
                && current.lease_expires_at == 0
        }))
    }

    /// Commits the durable message at `seq`, which is in the log under the epoch of `job`, without a lease.
    /// The lease is not renewed: the job stays unattended. None when the job was claimed meanwhile, or its
    /// holder has returned.
    pub async fn commit_unattended(
        &self,
        job: &Job,
        commit: &Commit,
        seq: u64,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Commits,
    {
        let now = self.clock.now();
        let operation = "committing a message of an unattended job";
        let artifacts = self.artifacts_after(job, commit).await?;
        let committed = self
            .commit_with(operation, artifacts.as_ref(), || {
                let update = self
                    .unattended(job, seq.saturating_sub(1))
                    .expression_attribute_values(":now", text(now));
                match commit {
                    Commit::End { state, .. } => Self::end_update(update, state, seq),
                    Commit::Stage { stage, .. } => update
                        .update_expression(format!(
                            "SET seq = :seq, checkpoints.#stage = :seq, stage = :stage, \
                             progress = :hundred, attempts_without_progress = :zero, \
                             updated_at = :now{REMOVE_STAGE_FIELDS}"
                        ))
                        .expression_attribute_names("#stage", stage)
                        .expression_attribute_values(":seq", number(seq))
                        .expression_attribute_values(":stage", text(stage))
                        .expression_attribute_values(":hundred", number(100))
                        .expression_attribute_values(":zero", number(0)),
                }
            })
            .await?;
        if committed.is_some() {
            return Ok(committed);
        }
        // It may have been committed already: by an attempt whose response was lost, by an overlapping
        // attempt, or by the worker. The event at `seq` under this epoch never changes, so a job that has
        // reached `seq` has committed it.
        let current = self.load(&job.job_id).await?;
        Ok(current.filter(|current| current.epoch == job.epoch && current.seq >= seq))
    }

    /// An update on the condition that the job is unattended and its `seq` is still `seq`.
    fn unattended(&self, job: &Job, seq: u64) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let seconds = self.clock.now().epoch_seconds();
        self.update(&job.job_id)
            .condition_expression(UNATTENDED)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":epoch", number(job.epoch))
            .expression_attribute_values(":before", number(seq))
            .expression_attribute_values(":awaiting", text(JobStatus::AwaitingInput.name()))
            .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
            .expression_attribute_values(":running", text(JobStatus::Running.name()))
            .expression_attribute_values(":seconds", number(seconds))
    }
}
