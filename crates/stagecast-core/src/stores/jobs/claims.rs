//! Claims and leases: only the run of the latest claim may write to a job.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use granted_aws::{number, text};
use stagecast_contract::{
    ids::{JobId, WorkerKey},
    limits::LEASE_SECONDS,
    messages::JobStatus,
    tables::Jobs,
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{JobStore, StoreError};
use crate::{hash::sha256_hex, models::Job};

/// The condition of every write of a run: no later claim exists, and the job has not ended.
pub(in crate::stores) const UNDER_LEASE: &str = "epoch = :epoch AND #status = :running";

/// The right of the latest claim to write to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// The number of the claim.
    pub epoch: u64,
}

/// What an external worker declares when it claims a job.
#[derive(Clone, Copy, Debug)]
pub struct ExternalClaim<'a> {
    /// The stages that the worker runs.
    pub stages: &'a [String],
    /// The unique name of the worker, if it has one. With it, the worker reclaims its own job before the
    /// lease ends.
    pub worker_id: Option<&'a str>,
    /// The new worker key of the job, for a claim from its queue. Such a claim does not reclaim a job.
    pub new_key: Option<&'a WorkerKey>,
}

impl ExternalClaim<'_> {
    /// Whether the latest claim of the job is this worker's, by its name.
    pub fn holds(&self, job: &Job) -> bool {
        let name = self.reclaims_as();
        name.is_some() && name == job.worker_id.as_deref()
    }

    /// The name by which the worker reclaims its own job.
    const fn reclaims_as(&self) -> Option<&str> {
        match self.new_key {
            None => self.worker_id,
            Some(_) => None,
        }
    }

    /// Whether the latest claim of the job is this one, whose response was lost.
    fn has_claimed(&self, job: &Job) -> bool {
        self.new_key.is_some_and(|key| job.verify_worker_key(key))
    }
}

/// The result of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The claim was written.
    Acquired {
        /// The job after the claim.
        job: Box<Job>,
        /// The right to write to it.
        lease: Lease,
        /// Whether the previous claim did not release the job: its messages may not have been sent.
        takeover: bool,
    },
    /// Another claim holds the lease, or the job or its next attempt at a stage is not due yet.
    Held {
        /// When the lease ends unless it is renewed, or when the job or the attempt is due, in epoch seconds.
        until: i64,
    },
    /// Another claim or a release was written since the job was read. Contains the job as it is now. Only an external
    /// worker's claim depends on the job that was read.
    Outdated(Box<Job>),
    /// The job has ended.
    Ended,
    /// The job does not exist, or does not any more.
    NotFound,
}

impl Claim {
    fn acquired(job: Job, takeover: bool) -> Self {
        let lease = Lease {
            job_id: job.job_id.clone(),
            epoch: job.epoch,
        };
        Self::Acquired {
            job: Box::new(job),
            lease,
            takeover,
        }
    }

    /// Why `job`, as it is now, could not be claimed.
    fn refused(job: Option<Job>) -> Self {
        match job {
            None => Self::NotFound,
            Some(job) if job.status.has_ended() => Self::Ended,
            Some(job) => {
                let due = job.retry_at.max(job.run_at);
                let due = due.map_or(0, Timestamp::epoch_seconds);
                Self::Held {
                    until: job.lease_expires_at.max(due),
                }
            }
        }
    }
}

impl<F: Function> JobStore<F> {
    /// Claims a job that is queued and due, as is its next attempt at a stage, or whose lease has ended.
    pub async fn claim(&self, job_id: &JobId) -> Result<Claim, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        for takeover in [false, true] {
            if let Some(job) = self.try_claim(job_id, None, takeover).await? {
                return Ok(Claim::acquired(job, takeover));
            }
        }
        Ok(Claim::refused(self.load(job_id).await?))
    }

    /// [`Self::claim`] for an external worker. The claim requires that `known`, the job as it was read, has
    /// the latest claim; otherwise the result is [`Claim::Outdated`]. Takes one write.
    pub async fn claim_for(
        &self,
        known: &Job,
        external: ExternalClaim<'_>,
    ) -> Result<Claim, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let takeover = known.status == JobStatus::Running;
        let claimed = self
            .try_claim(&known.job_id, Some((external, known)), takeover)
            .await?;
        if let Some(job) = claimed {
            return Ok(Claim::acquired(job, takeover));
        }
        // A release changes only the status.
        let is_as_read = |job: &Job| (job.epoch, job.status) == (known.epoch, known.status);
        Ok(match self.load(&known.job_id).await? {
            Some(job) if !job.status.has_ended() && external.has_claimed(&job) => {
                Claim::acquired(job, takeover)
            }
            Some(job) if !job.status.has_ended() && !is_as_read(&job) => {
                Claim::Outdated(Box::new(job))
            }
            job => Claim::refused(job),
        })
    }

    async fn try_claim(
        &self,
        job_id: &JobId,
        external: Option<(ExternalClaim<'_>, &Job)>,
        takeover: bool,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let time = self.clock.now();
        let now = time.epoch_seconds();
        let reclaims_as = external
            .as_ref()
            .and_then(|(external, _)| external.reclaims_as());
        self.change("claiming the job", || {
            let mut update = self
                .update(job_id)
                .update_expression(format!(
                    "SET #status = :running, lease_expires_at = :lease_expires_at, \
                     started_at = if_not_exists(started_at, :time){} \
                     ADD epoch :one, attempts_without_progress :one",
                    match external {
                        None => "",
                        Some((ExternalClaim { new_key: None, .. }, _)) =>
                            ", stages = :stages, worker_id = :worker_id REMOVE estimate",
                        Some(_) =>
                            ", stages = :stages, worker_id = :worker_id, worker_key_sha256 = :key, \
                             former_key = :former_key REMOVE estimate",
                    }
                ))
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":running", text(JobStatus::Running.name()))
                .expression_attribute_values(":lease_expires_at", number(now + LEASE_SECONDS))
                .expression_attribute_values(":time", text(time))
                .expression_attribute_values(":one", number(1));
            if let Some((external, known)) = external {
                let or_null = |value: Option<&str>| value.map_or(AttributeValue::Null(true), text);
                let stages = external.stages.iter().map(text).collect();
                update = update
                    .expression_attribute_values(":stages", AttributeValue::L(stages))
                    .expression_attribute_values(":worker_id", or_null(external.worker_id))
                    .expression_attribute_values(":known", number(known.epoch));
                if let Some(key) = external.new_key {
                    let former_key = or_null(known.former_key_after_claim());
                    update = update
                        .expression_attribute_values(":key", text(sha256_hex(key.reveal())))
                        .expression_attribute_values(":former_key", former_key);
                }
            }
            let condition = match (takeover, reclaims_as) {
                (false, _) => {
                    let queued = text(JobStatus::Queued.name());
                    update = update.expression_attribute_values(":queued", queued);
                    "#status = :queued AND \
                     (attribute_not_exists(retry_at) OR retry_at <= :time) AND \
                     (attribute_not_exists(run_at) OR run_at <= :time)"
                }
                (true, reclaims_as) => {
                    update = update.expression_attribute_values(":now", number(now));
                    if reclaims_as.is_some() {
                        "#status = :running AND \
                         (lease_expires_at < :now OR worker_id = :worker_id)"
                    } else {
                        "#status = :running AND lease_expires_at < :now"
                    }
                }
            };
            update.condition_expression(if external.is_some() {
                format!("{condition} AND epoch = :known")
            } else {
                condition.to_owned()
            })
        })
        .await
    }

    /// Subtracts a claim that failed because of AWS from `attempts_without_progress`, so that such failures
    /// do not fail the job. `counted` is the value that the claim wrote; nothing is changed if it is
    /// different now. A failed update is logged, and the claim stays counted.
    pub async fn refund_attempt(&self, lease: &Lease, counted: u32)
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        // Not by `ADD`, because the SDK repeats the request when a response is lost.
        let refunded = self
            .change("refunding an attempt", || {
                self.update_under_lease(lease)
                    .update_expression("SET attempts_without_progress = :before")
                    .condition_expression(format!(
                        "{UNDER_LEASE} AND attempts_without_progress = :counted"
                    ))
                    .expression_attribute_values(":before", number(counted.saturating_sub(1)))
                    .expression_attribute_values(":counted", number(counted))
            })
            .await;
        if let Err(error) = refunded {
            tracing::warn!(%error, job_id = %lease.job_id, "an attempt could not be refunded; it counts as a crash");
        }
    }

    /// Records that the run of this claim was alive when another claim took its lease, so that a failure
    /// of the job is not blamed on the stage. A failed update is only logged.
    pub async fn record_lost_lease(&self, lease: &Lease)
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        // A set, because the SDK repeats the request when a response is lost.
        let epoch = AttributeValue::Ns(vec![lease.epoch.to_string()]);
        let noted = self
            .change("recording a lost lease", || {
                self.update(&lease.job_id)
                    .update_expression("ADD lost_leases :lost")
                    .condition_expression("#status IN (:queued, :running) AND epoch > :epoch")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":lost", epoch.clone())
                    .expression_attribute_values(":epoch", number(lease.epoch))
                    .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                    .expression_attribute_values(":running", text(JobStatus::Running.name()))
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!(%error, job_id = %lease.job_id, "a lost lease could not be recorded");
        }
    }

    /// Releases the lease and queues the job, so that the next claim does not wait for the lease to end.
    /// None when the lease is lost.
    pub async fn release(&self, lease: &Lease) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let released = self
            .change("releasing the lease", || {
                self.update_under_lease(lease)
                    .update_expression("SET #status = :queued, lease_expires_at = :zero")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                    .expression_attribute_values(":zero", number(0))
            })
            .await?;
        if released.is_some() {
            return Ok(released);
        }
        // An earlier attempt whose response was lost may have done it: the job is queued without a new claim.
        let job = self.load(&lease.job_id).await?;
        Ok(job.filter(|job| job.epoch == lease.epoch && job.status == JobStatus::Queued))
    }

    /// An update on the condition that the lease is held and the job has not ended.
    pub(super) fn update_under_lease(&self, lease: &Lease) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.update(&lease.job_id)
            .condition_expression(UNDER_LEASE)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":epoch", number(lease.epoch))
            .expression_attribute_values(":running", text(JobStatus::Running.name()))
    }

    /// [`Self::update_under_lease`], also on the condition that `seq` is the next one to commit.
    pub(super) fn commit_update(&self, lease: &Lease, seq: u64) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.update_under_lease(lease)
            .condition_expression(format!("{UNDER_LEASE} AND seq = :before"))
            .expression_attribute_values(":before", number(seq.saturating_sub(1)))
    }
}
