//! The writes of a run: progress, finished stages and the end of the job.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};
use granted_aws::{number, text};
use stage_pipeline::Estimate;
use stagecast_contract::{limits::LEASE_SECONDS, messages::ServerMessage, tables::Jobs};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
};

use super::{JobStore, Lease, StoreError, claims::UNDER_LEASE};
use crate::models::{Job, TerminalState};

/// The progress of a running stage, as it is written to the job's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressPoint {
    /// The stage.
    pub stage: String,
    /// Percent of the stage.
    pub progress: u8,
    /// Percent of all stages.
    pub overall_progress: u8,
    /// What the stage is doing, in the words of its author.
    pub message: String,
    /// Seconds until the job ends, while known.
    pub estimated_seconds_remaining: Option<u64>,
}

/// The change that a durable message makes to the job's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The stage has finished. The percentage of all stages, if known.
    Stage(String, Option<u8>),
    /// The job has ended.
    End(TerminalState),
}

impl Commit {
    /// The commit of the message `logged`, which was read from the log. An error for a message that is not
    /// durable.
    pub fn of_logged(logged: &str) -> Result<Self, StoreError> {
        let unreadable = StoreError::call("reading the log");
        Ok(match serde_json::from_str(logged) {
            Ok(ServerMessage::StageComplete(complete)) => Self::Stage(complete.stage, None),
            Ok(ServerMessage::JobComplete(_)) => Self::End(TerminalState::Completed),
            Ok(ServerMessage::JobFailed(failed)) => Self::End(TerminalState::Failed(failed.error)),
            Ok(ServerMessage::JobCancelled(_)) => Self::End(TerminalState::Cancelled),
            Ok(_) => return Err(unreadable(format!("{logged} is not a durable message"))),
            Err(error) => return Err(unreadable(error.to_string())),
        })
    }
}

impl<F: Function> JobStore<F> {
    /// Writes the progress of the stage and renews the lease, in one write. Returns the job after it; none
    /// when the lease is lost.
    pub async fn report(
        &self,
        lease: &Lease,
        attempt: u32,
        point: &ProgressPoint,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        self.change("writing the job's progress", || {
            self.progress_update(self.update_under_lease(lease), attempt, point, "")
        })
        .await
    }

    /// [`Self::report`] for an external worker, whose requests may arrive late or twice. None also when the
    /// job's `seq` is not `seq` any more, or this attempt at the stage is beyond `point`.
    pub async fn report_if_newer(
        &self,
        lease: &Lease,
        seq: u64,
        attempt: u32,
        point: &ProgressPoint,
        estimate: &Estimate,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let estimate: AttributeValue = serde_dynamo::to_attribute_value(estimate)
            .map_err(|error| StoreError::call("storing the estimate")(error.to_string()))?;
        self.change("writing the job's progress", || {
            self.progress_update(
                self.update_under_lease(lease),
                attempt,
                point,
                ", estimate = :estimate",
            )
            .condition_expression(format!(
                "{UNDER_LEASE} AND seq = :seq AND \
                     (stage <> :stage OR attempt_epoch <> :epoch OR progress <= :progress)"
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
        and: &str,
    ) -> UpdateItemFluentBuilder {
        let now = self.clock.now();
        update
            .update_expression(format!(
                "SET stage = :stage, attempt = :attempt, attempt_epoch = :epoch, \
                 progress = :progress, overall_progress = :overall, \
                 message = :message, estimated_seconds_remaining = :remaining, \
                 updated_at = :now, lease_expires_at = :lease_expires_at{and}"
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
    /// after it, if known. None when the lease is lost, or another message is at `seq`.
    pub async fn finish_stage(
        &self,
        lease: &Lease,
        stage: &str,
        attempt: u32,
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
                     stage = :stage, attempt = :attempt, attempt_epoch = :epoch, \
                     progress = :hundred, attempts_without_progress = :zero, updated_at = :now, lease_expires_at = :lease_expires_at"
                    .to_owned();
                let mut update = self.commit_update(lease, seq);
                if let Some(overall) = overall {
                    expression.push_str(", overall_progress = :overall");
                    update = update.expression_attribute_values(":overall", number(overall));
                }
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

    /// Commits the terminal message at `seq`, which is in the log. None when the lease is lost, which it is
    /// once the job has ended.
    pub async fn end(
        &self,
        lease: &Lease,
        terminal_state: &TerminalState,
        seq: u64,
    ) -> Result<Option<Job>, StoreError>
    where
        F: Granted<UpdateItem<Jobs>> + Granted<GetItem<Jobs>>,
    {
        let ended = self
            .change("committing the end of the job", || {
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
        match terminal_state {
            TerminalState::Completed => update
                .update_expression(format!(
                    "{common}, progress = :hundred, overall_progress = :hundred, \
                     estimated_seconds_remaining = :zero"
                ))
                .expression_attribute_values(":hundred", number(100))
                .expression_attribute_values(":zero", number(0)),
            TerminalState::Failed(error) => update
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
            TerminalState::Cancelled => update.update_expression(common),
        }
    }
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
    fn only_durable_messages_in_the_log_have_a_commit() {
        let commit = |rest: &str| {
            let common = r#""job_id":"job_1_a","timestamp":"2024-01-15T10:30:15Z","seq":1"#;
            Commit::of_logged(&format!(r#"{{{common},"correlation_id":"c",{rest}}}"#))
        };
        let stage = commit(r#""type":"stage_complete","stage":"a","results":1"#);
        assert_eq!(stage.unwrap(), Commit::Stage("a".to_owned(), None));
        let cancelled = commit(r#""type":"job_cancelled""#);
        assert_eq!(cancelled.unwrap(), Commit::End(TerminalState::Cancelled));
        for other in [r#"{"type":"pong"}"#, "{"] {
            let error = Commit::of_logged(other).unwrap_err().to_string();
            assert!(error.starts_with("reading the log failed"), "{error}");
        }
    }

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
