//! What a run writes to its job: how far it is, its finished stages, its end.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
    limits::LEASE_SECONDS,
    messages::{JobError, JobStatus},
    tables::Jobs,
};

use super::{JobStore, Lease, StoreError, claims::UNDER_LEASE};
use crate::{
    models::{Job, number, text},
    progress::Estimate,
};

/// How far a running stage is, as it is written to the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressPoint {
    /// The stage.
    pub stage: String,
    /// Percent of the stage.
    pub progress: u8,
    /// Percent of all stages.
    pub overall_progress: u8,
    /// What the stage is doing.
    pub message: String,
    /// Seconds until the job ends, while known.
    pub estimated_seconds_remaining: Option<u64>,
}

/// How a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All stages have finished.
    Completed,
    /// A stage failed, or the job could not be run.
    Failed(JobError),
    /// Someone cancelled it.
    Cancelled,
}

impl Ending {
    const fn status(&self) -> JobStatus {
        match self {
            Self::Completed => JobStatus::Completed,
            Self::Failed(_) => JobStatus::Failed,
            Self::Cancelled => JobStatus::Cancelled,
        }
    }
}

impl<F: Function> JobStore<F> {
    /// Writes how far the stage is and renews the lease: the one write of a progress update.
    /// Answers with the job as it is then; none when the lease is lost.
    pub async fn report(
        &self,
        lease: &Lease,
        point: &ProgressPoint,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("writing the job's progress", || {
            self.reaching(self.under(lease), point, "")
        })
        .await
    }

    /// [`Self::report`] for a worker of its own, whose posts may come late or twice: none also when
    /// the job has gone on from `seq`, or the stage beyond `point`.
    pub async fn advance(
        &self,
        lease: &Lease,
        seq: u64,
        point: &ProgressPoint,
        estimate: &Estimate,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let estimate: AttributeValue = serde_dynamo::to_attribute_value(estimate)
            .map_err(|error| StoreError::call("noting the estimate")(error.to_string()))?;
        self.change("writing the job's progress", || {
            self.reaching(self.under(lease), point, ", estimate = :estimate")
                .condition_expression(format!(
                    "{UNDER_LEASE} AND seq = :seq AND (stage <> :stage OR progress <= :progress)"
                ))
                .expression_attribute_values(":seq", number(seq))
                .expression_attribute_values(":estimate", estimate.clone())
        })
        .await
    }

    /// Renews the lease and changes nothing else. None when it is lost.
    pub async fn renew(&self, lease: &Lease) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("renewing the lease", || {
            self.under(lease)
                .update_expression("SET lease_expires_at = :lease_expires_at")
                .expression_attribute_values(
                    ":lease_expires_at",
                    number(self.clock.now().epoch_seconds() + LEASE_SECONDS),
                )
        })
        .await
    }

    fn reaching(
        &self,
        update: UpdateItemFluentBuilder,
        point: &ProgressPoint,
        and: &str,
    ) -> UpdateItemFluentBuilder {
        let now = self.clock.now();
        update
            .update_expression(format!(
                "SET stage = :stage, progress = :progress, overall_progress = :overall, \
                 message = :message, estimated_seconds_remaining = :remaining, \
                 updated_at = :now, lease_expires_at = :lease_expires_at{and}"
            ))
            .expression_attribute_values(":stage", text(&point.stage))
            .expression_attribute_values(":progress", number(point.progress))
            .expression_attribute_values(":overall", number(point.overall_progress))
            .expression_attribute_values(":message", text(&point.message))
            .expression_attribute_values(
                ":remaining",
                point
                    .estimated_seconds_remaining
                    .map_or(AttributeValue::Null(true), number),
            )
            .expression_attribute_values(":now", text(now))
            .expression_attribute_values(
                ":lease_expires_at",
                number(now.epoch_seconds() + LEASE_SECONDS),
            )
    }

    /// Commits the `stage_complete` at `seq`, which is in the log. `overall` is how far the job is
    /// then, if that is known. None when the lease is lost, or something else is at `seq`.
    pub async fn finish_stage(
        &self,
        lease: &Lease,
        stage: &str,
        overall: Option<u8>,
        seq: u64,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let now = self.clock.now();
        let finished = self
            .change("committing the end of the stage", || {
                let mut expression = "SET seq = :seq, checkpoints.#stage = :seq, \
                     stage = :stage, progress = :hundred, fruitless_claims = :zero, \
                     updated_at = :now, lease_expires_at = :lease_expires_at"
                    .to_owned();
                let mut update = self.under_before(lease, seq);
                if let Some(overall) = overall {
                    expression.push_str(", overall_progress = :overall");
                    update = update.expression_attribute_values(":overall", number(overall));
                }
                update
                    .update_expression(expression)
                    .expression_attribute_names("#stage", stage)
                    .expression_attribute_values(":stage", text(stage))
                    .expression_attribute_values(":seq", number(seq))
                    .expression_attribute_values(":hundred", number(100))
                    .expression_attribute_values(":zero", number(0))
                    .expression_attribute_values(":now", text(now))
                    .expression_attribute_values(
                        ":lease_expires_at",
                        number(now.epoch_seconds() + LEASE_SECONDS),
                    )
            })
            .await?;
        self.unless_committed(finished, lease, seq).await
    }

    /// Commits the job's last message at `seq`, which is in the log. None when the lease is lost:
    /// a job ends once.
    pub async fn end(
        &self,
        lease: &Lease,
        ending: &Ending,
        seq: u64,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let ended = self
            .change("committing the end of the job", || {
                let update = Self::ending(self.under_before(lease, seq), ending, seq);
                update.expression_attribute_values(":now", text(self.clock.now()))
            })
            .await?;
        self.unless_committed(ended, lease, seq).await
    }

    /// What a commit at `seq` comes to. One whose condition did not hold may have been made
    /// already, by an attempt whose answer was lost.
    async fn unless_committed(
        &self,
        answer: Option<Job>,
        lease: &Lease,
        seq: u64,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<GetItem<Jobs>>,
    {
        if answer.is_some() {
            return Ok(answer);
        }
        let job = self.load(&lease.job_id).await?;
        Ok(job.filter(|job| job.epoch == lease.epoch && job.seq == seq))
    }

    /// Cancels a job that [has nobody](Job::has_nobody); its last message, at `seq`, is in the log.
    /// None when somebody has claimed it meanwhile, or its worker is back.
    pub async fn cancel_unattended(&self, job: &Job, seq: u64) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let now = self.clock.now();
        self.change("cancelling the job that nobody runs", || {
            let update = self
                .update(&job.job_id)
                .condition_expression(
                    "epoch = :epoch AND seq = :before AND \
                     (#status = :queued OR (#status = :running AND lease_expires_at < :seconds))",
                )
                .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                .expression_attribute_values(":running", text(JobStatus::Running.name()))
                .expression_attribute_values(":seconds", number(now.epoch_seconds()))
                .expression_attribute_values(":before", number(seq.saturating_sub(1)))
                .expression_attribute_values(":epoch", number(job.epoch));
            Self::ending(update, &Ending::Cancelled, seq)
                .expression_attribute_values(":now", text(now))
        })
        .await
    }

    fn ending(
        update: UpdateItemFluentBuilder,
        ending: &Ending,
        seq: u64,
    ) -> UpdateItemFluentBuilder {
        let update = update
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":seq", number(seq))
            .expression_attribute_values(":status", text(ending.status().name()));
        let common = "SET seq = :seq, #status = :status, updated_at = :now";
        match ending {
            Ending::Completed => update
                .update_expression(format!(
                    "{common}, progress = :hundred, overall_progress = :hundred, \
                     estimated_seconds_remaining = :zero"
                ))
                .expression_attribute_values(":hundred", number(100))
                .expression_attribute_values(":zero", number(0)),
            Ending::Failed(error) => update
                .update_expression(format!("{common}, #error = :error"))
                .expression_attribute_names("#error", "error")
                .expression_attribute_values(
                    ":error",
                    AttributeValue::M(
                        [
                            ("code".to_owned(), text(&error.code)),
                            ("message".to_owned(), text(&error.message)),
                        ]
                        .into(),
                    ),
                ),
            Ending::Cancelled => update.update_expression(common),
        }
    }
}
