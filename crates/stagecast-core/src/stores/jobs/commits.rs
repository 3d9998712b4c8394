//! Commits of durable messages that list artifacts: the message and the list of the job's artifacts are
//! committed together, or neither is.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use granted_aws::number;
use stagecast_contract::{
    messages::{Artifact, ServerMessage},
    tables::{JobEvents, JobKey, Jobs},
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, PutItem, Query, UpdateItem},
};

use super::{
    super::{
        artifact_list::{self, unchanged_before},
        transactions::{CancelledTransaction, cancellation_cause, contended},
    },
    JobStore, StoreError,
};
use crate::{
    models::{Job, StoredArtifacts, TerminalState},
    retry::RetryPolicy,
};

/// The grants of a function that commits durable messages.
pub trait Commits:
    Function
    + Granted<GetItem<Jobs>>
    + Granted<UpdateItem<Jobs>>
    + Granted<PutItem<JobEvents>>
    + Granted<Query<JobEvents>>
{
}

impl<F> Commits for F where
    F: Function
        + Granted<GetItem<Jobs>>
        + Granted<UpdateItem<Jobs>>
        + Granted<PutItem<JobEvents>>
        + Granted<Query<JobEvents>>
{
}

/// The change that a durable message makes to the job's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// A stage has finished.
    Stage {
        /// The stage.
        stage: String,
        /// The percentage of all stages, if known.
        overall: Option<u8>,
        /// The artifacts that the message lists.
        artifacts: Vec<Artifact>,
    },
    /// The job has ended.
    End {
        /// How the job has ended.
        state: TerminalState,
        /// The artifacts that the message lists.
        artifacts: Vec<Artifact>,
    },
}

impl Commit {
    /// The commit of the message `logged`, which was read from the log. An error for a message that is not
    /// durable.
    pub fn of_logged(logged: &str) -> Result<Self, StoreError> {
        let unreadable = StoreError::call("reading the log");
        Ok(match serde_json::from_str(logged) {
            Ok(ServerMessage::StageComplete(complete)) => Self::Stage {
                stage: complete.stage,
                overall: None,
                artifacts: complete.artifacts,
            },
            Ok(ServerMessage::JobComplete(complete)) => Self::End {
                state: TerminalState::Completed,
                artifacts: complete.artifacts,
            },
            Ok(ServerMessage::JobFailed(failed)) => Self::end(TerminalState::Failed(failed.error)),
            Ok(ServerMessage::JobCancelled(_)) => Self::end(TerminalState::Cancelled),
            Ok(_) => return Err(unreadable(format!("{logged} is not a durable message"))),
            Err(error) => return Err(unreadable(error.to_string())),
        })
    }

    /// The end of a job whose message lists no artifacts.
    pub const fn end(state: TerminalState) -> Self {
        let artifacts = Vec::new();
        Self::End { state, artifacts }
    }

    /// The stage that has finished, and the artifacts that the message lists.
    pub fn listed(&self) -> (Option<&str>, &[Artifact]) {
        match self {
            Self::Stage {
                stage, artifacts, ..
            } => (Some(stage), artifacts),
            Self::End { artifacts, .. } => (None, artifacts),
        }
    }
}

impl<F: Commits> JobStore<F> {
    /// The list of the job's artifacts after `commit`; none if the commit does not change it, as for stages
    /// that have attached their artifacts before. Reads the list if the message lists artifacts.
    pub async fn artifacts_after(
        &self,
        job: &Job,
        commit: &Commit,
    ) -> Result<Option<StoredArtifacts>, StoreError> {
        let (stage, listed) = commit.listed();
        if listed.is_empty() {
            return Ok(None);
        }
        let (job_id, revision) = (&job.job_id, job.artifacts_revision);
        let known = artifact_list::load(&self.database, job_id, revision, job.expires_at).await?;
        known
            .with_listed(stage, listed)
            .map_err(|error| StoreError::call("committing artifacts")(error.to_string()))
    }

    /// Sends an update that commits a durable message, in one transaction with the list of the job's
    /// artifacts if that changes with it. Returns the job after it. None when a condition does not hold: that of
    /// the update, or that nothing else has changed the list.
    ///
    /// The expression of the update must not have an `ADD` clause.
    pub(super) async fn commit_with(
        &self,
        operation: &'static str,
        artifacts: Option<&StoredArtifacts>,
        update: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Option<Job>, StoreError> {
        let Some(artifacts) = artifacts else {
            return self.change(operation, update).await;
        };
        let mut backoff = RetryPolicy::TRANSACTION_CONFLICT.backoff();
        loop {
            let sent = self.transaction(&update(), artifacts)?.send().await;
            let Err(error) = sent else {
                // A transaction does not return the item.
                return self.load(&artifacts.job_id).await;
            };
            match cancellation_cause(operation, error) {
                CancelledTransaction::Condition => return Ok(None),
                CancelledTransaction::Contended => {
                    if !backoff.wait().await {
                        return Err(contended(operation));
                    }
                }
                CancelledTransaction::Failed(error) => return Err(error),
            }
        }
    }

    fn transaction(
        &self,
        update: &UpdateItemFluentBuilder,
        artifacts: &StoredArtifacts,
    ) -> Result<
        aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder,
        StoreError,
    >{
        let key = JobKey {
            job_id: artifacts.job_id.as_str(),
        };
        let expression = update.get_update_expression().as_deref();
        let expression = format!(
            "{} ADD artifacts_revision :one",
            expression.unwrap_or_default()
        );
        let condition = update.get_condition_expression().as_deref();
        let condition = format!(
            "{} AND {}",
            condition.unwrap_or_default(),
            unchanged_before(artifacts)
        );
        let item = artifacts.to_dynamodb_item()?;
        let transaction = self
            .database
            .transaction()
            .update(&key, |write| {
                let write = write
                    .update_expression(expression)
                    .condition_expression(condition)
                    .set_expression_attribute_names(update.get_expression_attribute_names().clone())
                    .set_expression_attribute_values(
                        update.get_expression_attribute_values().clone(),
                    )
                    .expression_attribute_values(":one", number(1));
                match artifacts.revision {
                    0 | 1 => write,
                    revision => write.expression_attribute_values(":known", number(revision - 1)),
                }
            })
            .and_then(|transaction| {
                transaction.put::<StoredArtifacts>(|put| put.set_item(Some(item)))
            })?;
        Ok(transaction.build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_durable_messages_in_the_log_have_a_commit() {
        let commit = |rest: &str| {
            let common = r#""job_id":"job_1_a","timestamp":"2024-01-15T10:30:15Z","seq":1"#;
            Commit::of_logged(&format!(r#"{{{common},"correlation_id":"c",{rest}}}"#))
        };
        let stage = commit(r#""type":"stage_complete","stage":"a","results":1"#);
        let expected = Commit::Stage {
            stage: "a".to_owned(),
            overall: None,
            artifacts: Vec::new(),
        };
        assert_eq!(stage.unwrap(), expected);
        let cancelled = commit(r#""type":"job_cancelled""#);
        assert_eq!(cancelled.unwrap(), Commit::end(TerminalState::Cancelled));
        for other in [r#"{"type":"pong"}"#, "{"] {
            let error = Commit::of_logged(other).unwrap_err().to_string();
            assert!(error.starts_with("reading the log failed"), "{error}");
        }
    }
}
