//! The durations of a pipeline's stages in earlier jobs.

use granted_aws::Item;
use serde::{Deserialize, Serialize};
use stage_pipeline::{StageDuration, StageHistory};
use stagecast_contract::{
    limits::STAGE_HISTORY_TTL_SECONDS,
    tables::{JobKey, Jobs},
    timestamp::Timestamp,
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};
use crate::hash::sha256_hex;

/// What precedes the hash in the key of the item. No job id begins with it.
const PREFIX: &str = "history_";
/// Digits of the hash in the key.
const HASH_DIGITS: usize = 32;

/// An item of `jobs` that records how long each stage of a pipeline took in earlier jobs. A pipeline is
/// identified by the names of its stages, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageDurations {
    /// The key of the item: `history_` and the first half of the SHA-256 of the stages' names.
    #[serde(rename = "job_id")]
    id: String,
    /// The names of the stages.
    pub stages: Vec<String>,
    /// The durations of each of these stages.
    pub histories: Vec<StageHistory>,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for StageDurations {
    type Table = Jobs;

    fn key(&self) -> JobKey<'_> {
        JobKey { job_id: &self.id }
    }
}

impl StageDurations {
    /// A pipeline without earlier jobs.
    pub fn none<S: AsRef<str>>(stages: impl IntoIterator<Item = S>) -> Self {
        let stages: Vec<String> = stages
            .into_iter()
            .map(|stage| stage.as_ref().to_owned())
            .collect();
        // No name contains a line break.
        let mut hash = sha256_hex(stages.join("\n"));
        hash.truncate(HASH_DIGITS);
        Self {
            id: format!("{PREFIX}{hash}"),
            histories: vec![StageHistory::default(); stages.len()],
            stages,
            expires_at: 0,
        }
    }

    /// The durations of a stage; empty for an unknown one.
    pub fn of(&self, stage: &str) -> StageHistory {
        let index = self.stages.iter().position(|known| known == stage);
        index
            .and_then(|index| self.histories.get(index).copied())
            .unwrap_or_default()
    }

    /// Adds the duration of a stage of a job. An unknown stage is ignored.
    pub fn record(&mut self, stage: &str, duration: StageDuration) {
        let index = self.stages.iter().position(|known| known == stage);
        if let Some(history) = index.and_then(|index| self.histories.get_mut(index)) {
            history.record(duration);
        }
    }

    /// The item that is written at `now`.
    #[must_use]
    pub(crate) fn written_at(mut self, now: Timestamp) -> Self {
        self.expires_at = now.plus_seconds(STAGE_HISTORY_TTL_SECONDS).epoch_seconds();
        self
    }

    /// The durations as an item of `jobs`.
    pub(crate) fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<Jobs>(self)
    }

    /// The durations that an item of `jobs` describes.
    pub(crate) fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<Jobs, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_is_read_as_it_was_written_and_costs_one_write_unit() {
        let names: Vec<String> = (0..10)
            .map(|stage| format!("stage_number_{stage}"))
            .collect();
        let mut durations = StageDurations::none(&names);
        for name in &names {
            for seconds in [12.345, 17.31] {
                durations.record(name, StageDuration::of_seconds(seconds));
            }
        }
        let item = durations.to_dynamodb_item().expect("an item");
        let text = serde_json::to_string(&durations).expect("JSON");
        assert!(text.len() < 1024, "{} bytes: {text}", text.len());
        let read = StageDurations::from_dynamodb_item(item).expect("durations");
        assert_eq!(read.stages, durations.stages);
        let seconds = |it: &StageDurations| it.of("stage_number_3").typical_seconds();
        let (read, written) = (seconds(&read), seconds(&durations));
        assert!((read.expect("jobs") - written.expect("jobs")).abs() < 0.001);
    }

    #[test]
    fn pipelines_with_other_stages_have_other_items() {
        let id = |stages: &[&str]| StageDurations::none(stages).id;
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        assert_ne!(id(&["a", "b"]), id(&["b", "a"]));
        assert_ne!(id(&["ab"]), id(&["a", "b"]));
    }

    #[test]
    fn unknown_stage_is_ignored() {
        let mut durations = StageDurations::none(["a"]);
        durations.record("b", StageDuration::of_seconds(1.0));
        assert_eq!(durations.of("b").jobs(), 0);
        assert_eq!(durations.of("a").jobs(), 0);
    }
}
