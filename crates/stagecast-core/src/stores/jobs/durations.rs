//! The durations of stages in earlier jobs. They only improve an estimate, so a failure is only logged.

use std::time::Duration;

use granted_aws::number;
use stage_pipeline::StageDuration;
use stagecast_contract::tables::{JobKey, Jobs};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted, UpdateItem},
    tables::Record as _,
};

use super::JobStore;
use crate::{models::StageDurations, stores::StoreError};

/// Longest time that a job waits for its durations to be written.
const LONGEST_WRITE: Duration = Duration::from_secs(1);

impl<F: Function> JobStore<F> {
    /// The durations of the stages of a pipeline. Empty if there are none, or they cannot be read.
    pub async fn stage_durations<S: AsRef<str>>(
        &self,
        stages: impl IntoIterator<Item = S>,
    ) -> StageDurations
    where
        F: Granted<GetItem<Jobs>>,
    {
        let none = StageDurations::none(stages);
        match self.read_durations(none.key()).await {
            Ok(Some(durations)) if durations.stages == none.stages => durations,
            Ok(_) => none,
            Err(error) => {
                tracing::warn!(%error, "the durations of earlier jobs could not be read");
                none
            }
        }
    }

    async fn read_durations(&self, key: JobKey<'_>) -> Result<Option<StageDurations>, StoreError>
    where
        F: Granted<GetItem<Jobs>>,
    {
        let answer = self
            .database
            .get_item(&key)
            .send()
            .await
            .map_err(StoreError::of("reading the durations of stages"))?;
        Ok(answer
            .item
            .map(StageDurations::from_dynamodb_item)
            .transpose()?)
    }

    /// Adds the durations of a job to `known`, which was read at its start, and writes them. Of jobs that
    /// end at the same time, the last write wins: the others are missing in the history, which does not
    /// matter.
    pub async fn record_stage_durations(
        &self,
        mut known: StageDurations,
        durations: &[(String, StageDuration)],
    ) where
        F: Granted<UpdateItem<Jobs>>,
    {
        if durations.is_empty() {
            return;
        }
        for (stage, duration) in durations {
            known.record(stage, *duration);
        }
        let written = tokio::time::timeout(LONGEST_WRITE, self.write_durations(&known)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the durations of the job's stages could not be recorded");
            }
            Err(_) => tracing::warn!("the durations of the job's stages were not recorded in time"),
        }
    }

    async fn write_durations(&self, known: &StageDurations) -> Result<(), StoreError>
    where
        F: Granted<UpdateItem<Jobs>>,
    {
        let durations = known.clone().written_at(self.clock.now());
        let mut item = durations.to_dynamodb_item()?;
        let (stages, histories) = (item.remove("stages"), item.remove("histories"));
        self.database
            .update_item(&durations.key())
            .update_expression(
                "SET stages = :stages, histories = :histories, expires_at = :expires_at",
            )
            .set_expression_attribute_values(Some(
                [
                    (":stages".to_owned(), stages.unwrap_or_else(none)),
                    (":histories".to_owned(), histories.unwrap_or_else(none)),
                    (":expires_at".to_owned(), number(durations.expires_at)),
                ]
                .into(),
            ))
            .send()
            .await
            .map_err(StoreError::of("recording the durations of stages"))?;
        Ok(())
    }
}

/// An empty list.
fn none() -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::L(Vec::new())
}
