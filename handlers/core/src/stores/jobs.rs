//! Jobs: making, claiming, reporting, ending. Every write of a run is conditional on its lease.

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue},
};
use contract::{
    functions::Function,
    grants::{GetItem, Granted, PutItem, UpdateItem},
    ids::JobId,
    limits::LEASE_SECONDS,
    messages::{JobError, JobStatus},
    tables::{JobKey, Jobs},
};

use super::{
    StoreError,
    error::{if_held, is_conflict, through_conflicts},
};
use crate::{
    aws::Database,
    clock::Clock,
    models::{Job, number, text},
    progress::Estimate,
};

/// The condition of every write of a run: the lease is its own, and the job has not ended.
const UNDER_LEASE: &str = "epoch = :epoch AND #status = :running";

/// The right to write to a job: whoever has claimed it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// The claim's number.
    pub epoch: u64,
}

/// A worker of its own that claims a job.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The stages that it runs.
    pub stages: &'a [String],
    /// Its name, if it has one that no other worker has: it gets its job back at once with it.
    pub worker_id: Option<&'a str>,
}

/// What came of an attempt to claim a job.
#[derive(Debug)]
pub enum Claim {
    /// The job is the claimer's.
    Taken {
        /// The job as it is now.
        job: Box<Job>,
        /// The right to write to it.
        lease: Lease,
        /// The run before this one let its lease end: what it was sending may be lost.
        takeover: bool,
    },
    /// Another run holds it, until this many epoch seconds at least.
    Held {
        /// When the other run's lease ends unless it renews it.
        until: i64,
    },
    /// The job has ended.
    Ended,
    /// There is no such job (any more).
    Unknown,
}

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

/// The jobs in `jobs`.
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
    /// The jobs in the table of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Stores a new job. False when its id is taken.
    pub async fn create(&self, job: &Job) -> Result<bool, StoreError>
    where
        F: Granted<PutItem<Jobs>>,
    {
        let answer = self
            .database
            .put_item::<Job>()
            .set_item(Some(job.to_dynamodb_item()?))
            .condition_expression("attribute_not_exists(job_id)")
            .send()
            .await;
        Ok(if_held("storing the job", answer)?.is_some())
    }

    /// Reads a job as it is now.
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

    /// Asks a job to stop. None when it has ended, or is not there.
    pub async fn request_cancel(&self, job_id: &JobId) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("asking the job to stop", || {
            self.update(job_id)
                .update_expression("SET cancel_requested = :true")
                .condition_expression("#status IN (:queued, :running)")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                .expression_attribute_values(":running", text(JobStatus::Running.name()))
        })
        .await
    }

    /// Takes a job to run it: one that waits, or one whose run has let its lease end.
    pub async fn claim(&self, job_id: &JobId) -> Result<Claim, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        self.claim_for(job_id, None).await
    }

    /// [`Self::claim`] for a worker of its own, if one is given.
    pub async fn claim_for(
        &self,
        job_id: &JobId,
        claimant: Option<Claimant<'_>>,
    ) -> Result<Claim, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        for takeover in [false, true] {
            if let Some(job) = self.take(job_id, claimant, takeover).await? {
                let lease = Lease {
                    job_id: job_id.clone(),
                    epoch: job.epoch,
                };
                return Ok(Claim::Taken {
                    job: Box::new(job),
                    lease,
                    takeover,
                });
            }
        }
        Ok(match self.load(job_id).await? {
            None => Claim::Unknown,
            Some(job) if job.status.has_ended() => Claim::Ended,
            Some(job) => Claim::Held {
                until: job.lease_expires_at,
            },
        })
    }

    async fn take(
        &self,
        job_id: &JobId,
        claimant: Option<Claimant<'_>>,
        takeover: bool,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let now = self.clock.now().epoch_seconds();
        let worker_id = claimant.and_then(|claimant| claimant.worker_id);
        self.change("claiming the job", || {
            let mut update = self
                .update(job_id)
                .update_expression(if claimant.is_some() {
                    "SET #status = :running, lease_expires_at = :lease_expires_at, \
                     stages = :stages, worker_id = :worker_id REMOVE estimate \
                     ADD epoch :one, fruitless_claims :one"
                } else {
                    "SET #status = :running, lease_expires_at = :lease_expires_at \
                     ADD epoch :one, fruitless_claims :one"
                })
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":running", text(JobStatus::Running.name()))
                .expression_attribute_values(":lease_expires_at", number(now + LEASE_SECONDS))
                .expression_attribute_values(":one", number(1));
            if let Some(claimant) = claimant {
                let stages = claimant.stages.iter().map(text).collect();
                let worker_id = worker_id.map_or(AttributeValue::Null(true), text);
                update = update
                    .expression_attribute_values(":stages", AttributeValue::L(stages))
                    .expression_attribute_values(":worker_id", worker_id);
            }
            match (takeover, worker_id) {
                (false, _) => update
                    .condition_expression("#status = :queued")
                    .expression_attribute_values(":queued", text(JobStatus::Queued.name())),
                (true, None) => update
                    .condition_expression("#status = :running AND lease_expires_at < :now")
                    .expression_attribute_values(":now", number(now)),
                (true, Some(_)) => update
                    .condition_expression(
                        "#status = :running AND \
                         (lease_expires_at < :now OR worker_id = :worker_id)",
                    )
                    .expression_attribute_values(":now", number(now)),
            }
        })
        .await
    }

    /// Does not count a claim against the job that came to nothing by a fault of ours: too many of
    /// them fail it. One that cannot be taken back counts.
    pub async fn excuse(&self, lease: &Lease)
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let excused = self
            .change("excusing a claim", || {
                self.under(lease)
                    .update_expression("ADD fruitless_claims :minus_one")
                    .expression_attribute_values(":minus_one", number(-1))
            })
            .await;
        if let Err(error) = excused {
            tracing::warn!(%error, job_id = %lease.job_id, "a claim counts as a crash");
        }
    }

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

    /// Gives a claimed job back, so that the next claim need not wait for the lease to end. None
    /// when the lease is lost.
    pub async fn release(&self, lease: &Lease) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("giving the job back", || {
            self.under(lease)
                .update_expression("SET #status = :queued, lease_expires_at = :zero")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":queued", text(JobStatus::Queued.name()))
                .expression_attribute_values(":zero", number(0))
        })
        .await
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

    /// An update that only the holder of the lease can make, while the job has not ended.
    fn under(&self, lease: &Lease) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.update(&lease.job_id)
            .condition_expression(UNDER_LEASE)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":epoch", number(lease.epoch))
            .expression_attribute_values(":running", text(JobStatus::Running.name()))
    }

    /// The same for the one that commits `seq`.
    fn under_before(&self, lease: &Lease, seq: u64) -> UpdateItemFluentBuilder
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.under(lease)
            .condition_expression(format!("{UNDER_LEASE} AND seq = :before"))
            .expression_attribute_values(":before", number(seq.saturating_sub(1)))
    }

    /// Sends an update. None when its condition does not hold.
    async fn change(
        &self,
        operation: &'static str,
        update: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Option<Job>, StoreError> {
        let answer = through_conflicts(|| update().send(), is_conflict::<UpdateItemError>).await;
        let Some(answer) = if_held(operation, answer)? else {
            return Ok(None);
        };
        let item = answer.attributes.unwrap_or_default();
        Ok(Some(Job::from_dynamodb_item(item)?))
    }
}
