//! The writes of a run: progress, finished stages and the end of the job.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use granted_aws::{number, text};
use stagecast_contract::{
    limits::LEASE_SECONDS, messages::WorkAmount, tables::Jobs, timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{
    JobStore, Lease, ProgressPoint, StoreError, WorkerReport, claims::UNDER_LEASE, commits::Commits,
};
use crate::models::{Job, StoredArtifacts, TerminalState};

/// Removes what the job's item has only while its stage runs.
pub(super) const REMOVE_STAGE_FIELDS: &str =
    " REMOVE work_amount, checkpoint_attempt, max_attempts, retry_at";

/// What a write of progress records beside the progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressWrite {
    /// Nothing.
    Report,
    /// A checkpoint of the stage was stored.
    Checkpoint,
    /// The attempt starts at this time, and the stage has so many.
    Retry {
        /// When the attempt starts.
        at: Timestamp,
        /// The number of attempts.
        max_attempts: u32,
    },
}

impl<F: Function> JobStore<F> {
    /// Writes the progress of the stage and renews the lease, in one write. Returns the job after it; none
    /// when the lease is lost.
    pub async fn report(
        &self,
        lease: &Lease,
        attempt: u32,
        point: &ProgressPoint,
        write: ProgressWrite,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let work = work_attribute(&point.work)?;
        self.change("writing the job's progress", || {
            let update = self.update_under_lease(lease);
            let (set, remove) = match write {
                ProgressWrite::Report => ("", Some("retry_at")),
                ProgressWrite::Checkpoint => (
                    ", checkpoint_attempt = :attempt, attempts_without_progress = :zero",
                    Some("retry_at"),
                ),
                ProgressWrite::Retry { .. } => (
                    ", retry_at = :retry_at, max_attempts = :max_attempts, \
                     attempts_without_progress = :zero",
                    None,
                ),
            };
            let update = self.progress_update(update, attempt, point, work.clone(), set, remove);
            match write {
                ProgressWrite::Report => update,
                ProgressWrite::Checkpoint => update.expression_attribute_values(":zero", number(0)),
                // The retry policy limits these attempts, so they do not count as crashes.
                ProgressWrite::Retry { at, max_attempts } => update
                    .expression_attribute_values(":retry_at", text(at))
                    .expression_attribute_values(":max_attempts", number(max_attempts))
                    .expression_attribute_values(":zero", number(0)),
            }
        })
        .await
    }

    /// [`Self::report`] for an external worker, whose requests may arrive late or twice. None also when the
    /// job's `seq` is not `seq` any more, this attempt at the stage is beyond the report, or a later attempt has
    /// started.
    pub async fn report_if_newer(
        &self,
        lease: &Lease,
        seq: u64,
        report: &WorkerReport,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let WorkerReport {
            point,
            estimate,
            attempt,
            max_attempts,
            retry_at,
            is_checkpoint,
        } = report;
        let mut set = ", estimate = :estimate".to_owned();
        if max_attempts.is_some() {
            set.push_str(", max_attempts = :max_attempts");
        }
        if retry_at.is_some() {
            set.push_str(", retry_at = :retry_at");
        }
        if *is_checkpoint {
            set.push_str(", checkpoint_attempt = :attempt, attempts_without_progress = :zero");
        }
        let ended_wait = retry_at.is_none().then_some("retry_at");
        let estimate: AttributeValue = serde_dynamo::to_attribute_value(estimate)
            .map_err(|error| StoreError::call("storing the estimate")(error.to_string()))?;
        let work = work_attribute(&point.work)?;
        self.change("writing the job's progress", || {
            let update = self.update_under_lease(lease);
            let mut update =
                self.progress_update(update, *attempt, point, work.clone(), &set, ended_wait);
            if let Some(max_attempts) = max_attempts {
                update = update.expression_attribute_values(":max_attempts", number(max_attempts));
            }
            if let Some(retry_at) = retry_at {
                update = update.expression_attribute_values(":retry_at", text(retry_at));
            }
            if *is_checkpoint {
                update = update.expression_attribute_values(":zero", number(0));
            }
            update
                .condition_expression(format!(
                    "{UNDER_LEASE} AND seq = :seq AND \
                     (stage <> :stage OR attempt_epoch <> :epoch OR attempt < :attempt OR \
                     (attempt = :attempt AND progress <= :progress))"
                ))
                .expression_attribute_values(":seq", number(seq))
                .expression_attribute_values(":estimate", estimate.clone())
        })
        .await
    }

    /// Renews the lease without other changes. None when it is lost.
    pub async fn renew(&self, lease: &Lease) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("renewing the lease", || {
            self.update_under_lease(lease)
                .update_expression("SET lease_expires_at = :lease_expires_at")
                .expression_attribute_values(
                    ":lease_expires_at",
                    number(self.clock.now().epoch_seconds() + LEASE_SECONDS),
                )
        })
        .await
    }

    fn progress_update(
        &self,
        update: UpdateItemFluentBuilder,
        attempt: u32,
        point: &ProgressPoint,
        work: Option<AttributeValue>,
        set: &str,
        remove: Option<&str>,
    ) -> UpdateItemFluentBuilder {
        let now = self.clock.now();
        let (update, set_work, remove_work) = match work {
            Some(work) => (
                update.expression_attribute_values(":work", work),
                ", work_amount = :work",
                None,
            ),
            None => (update, "", Some("work_amount")),
        };
        let removed: Vec<_> = remove.into_iter().chain(remove_work).collect();
        let removed = match &removed[..] {
            [] => String::new(),
            names => format!(" REMOVE {}", names.join(", ")),
        };
        update
            .update_expression(format!(
                "SET stage = :stage, attempt = :attempt, attempt_epoch = :epoch, \
                 progress = :progress, overall_progress = :overall, \
                 message = :message, estimated_seconds_remaining = :remaining, \
                 updated_at = :now, lease_expires_at = :lease_expires_at{set}{set_work}{removed}"
            ))
            .expression_attribute_values(":stage", text(&point.stage))
            .expression_attribute_values(":attempt", number(attempt))
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

    /// Commits the `stage_complete` at `seq`, which is in the log. `overall` is the percentage of all stages
    /// after it, if known; `artifacts` the list of the job's artifacts after it, if that changes. None when the
    /// lease is lost, another message is at `seq`, or the list was changed meanwhile.
    pub async fn finish_stage(
        &self,
        lease: &Lease,
        stage: &str,
        attempt: u32,
        overall: Option<u8>,
        seq: u64,
        artifacts: Option<&StoredArtifacts>,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Commits,
    {
        let now = self.clock.now();
        let finished = self
            .commit_with("committing the end of the stage", artifacts, || {
                let mut expression = "SET seq = :seq, checkpoints.#stage = :seq, \
                     stage = :stage, attempt = :attempt, attempt_epoch = :epoch, \
                     progress = :hundred, attempts_without_progress = :zero, updated_at = :now, lease_expires_at = :lease_expires_at"
                    .to_owned();
                let mut update = self.commit_update(lease, seq);
                if let Some(overall) = overall {
                    expression.push_str(", overall_progress = :overall");
                    update = update.expression_attribute_values(":overall", number(overall));
                }
                expression.push_str(REMOVE_STAGE_FIELDS);
                update
                    .update_expression(expression)
                    .expression_attribute_names("#stage", stage)
                    .expression_attribute_values(":stage", text(stage))
                    .expression_attribute_values(":attempt", number(attempt))
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
        self.or_already_committed(finished, lease, seq).await
    }

    /// Commits the terminal message at `seq`, which is in the log. `artifacts` as for [`Self::finish_stage`].
    /// None when the lease is lost, which it is once the job has ended, or when the list of artifacts was changed
    /// meanwhile.
    pub async fn end(
        &self,
        lease: &Lease,
        terminal_state: &TerminalState,
        seq: u64,
        artifacts: Option<&StoredArtifacts>,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Commits,
    {
        let ended = self
            .commit_with("committing the end of the job", artifacts, || {
                let update = Self::end_update(self.commit_update(lease, seq), terminal_state, seq);
                update.expression_attribute_values(":now", text(self.clock.now()))
            })
            .await?;
        self.or_already_committed(ended, lease, seq).await
    }

    /// The result of a commit at `seq`. If its condition did not hold, it may have been made already: by an
    /// attempt whose response was lost, or by an overlapping attempt, which may have made later commits.
    /// Each claim writes a `seq` of the log once, so a job that has reached `seq` under this claim has
    /// committed this event.
    async fn or_already_committed(
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
        Ok(job.filter(|job| is_committed(job, lease, seq)))
    }

    pub(super) fn end_update(
        update: UpdateItemFluentBuilder,
        terminal_state: &TerminalState,
        seq: u64,
    ) -> UpdateItemFluentBuilder {
        let update = update
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":seq", number(seq))
            .expression_attribute_values(":status", text(terminal_state.status().name()));
        let common = "SET seq = :seq, #status = :status, updated_at = :now";
        let no_retry = " REMOVE retry_at";
        match terminal_state {
            TerminalState::Completed => update
                .update_expression(format!(
                    "{common}, progress = :hundred, overall_progress = :hundred, \
                     estimated_seconds_remaining = :zero{no_retry}"
                ))
                .expression_attribute_values(":hundred", number(100))
                .expression_attribute_values(":zero", number(0)),
            TerminalState::Failed(error) => update
                .update_expression(format!("{common}, #error = :error{no_retry}"))
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
            TerminalState::Cancelled => update.update_expression(format!("{common}{no_retry}")),
        }
    }
}

/// The attribute `work_amount`; none if it is absent.
fn work_attribute(work: &WorkAmount) -> Result<Option<AttributeValue>, StoreError> {
    if work.is_absent() {
        return Ok(None);
    }
    serde_dynamo::to_attribute_value(work)
        .map(Some)
        .map_err(|error| StoreError::call("storing the amount of work")(error.to_string()))
}

/// Whether the job has committed the event that this claim wrote at `seq`.
fn is_committed(job: &Job, lease: &Lease, seq: u64) -> bool {
    job.epoch == lease.epoch && job.seq >= seq
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId},
        messages::JobStatus,
        timestamp::Timestamp,
    };

    use super::*;

    #[test]
    fn commit_is_done_once_the_job_reached_it_under_the_claim() {
        let now = Timestamp::from_epoch_seconds(0);
        let mut job = Job::queued(
            JobId::new(now, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(now, [2; 8]),
            "req_1_a".to_owned(),
            "text/plain".to_owned(),
            now,
        );
        let lease = Lease {
            job_id: job.job_id.clone(),
            epoch: 2,
        };
        (job.epoch, job.seq) = (2, 3);
        assert!(!is_committed(&job, &lease, 4));
        assert!(is_committed(&job, &lease, 3));
        // An overlapping attempt has made later commits, and has ended the job.
        assert!(is_committed(&job, &lease, 1));
        job.status = JobStatus::Completed;
        assert!(is_committed(&job, &lease, 1));
        // Another claim may have written another event at this `seq`.
        job.epoch = 3;
        assert!(!is_committed(&job, &lease, 3));
    }
}
