//! A durable message in the log.

use std::collections::BTreeMap;

use granted_aws::Item;
use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::JobId,
    messages::{FailureCode, ServerMessage},
    tables::{JobEventKey, JobEvents},
};
use typed_contract::tables::Record;

use super::{InvalidItem, TerminalState, item};

/// An item of `job_events`. It is committed once the `seq` of the job's item has reached its `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The job.
    pub job_id: JobId,
    /// The position of the message among the job's durable messages, from 1.
    pub seq: u64,
    /// The epoch of the claim under which it was written.
    pub epoch: u64,
    /// The message as JSON, as it is sent.
    pub message: String,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for Event {
    type Table = JobEvents;

    fn key(&self) -> JobEventKey<'_> {
        JobEventKey {
            job_id: self.job_id.as_str(),
            seq: self.seq,
        }
    }
}

impl Event {
    /// Whether `message` equals this event's except for its timestamp, so that it is another attempt to
    /// write it. The order of the message's fields is ignored; results are compared as text.
    pub fn has_same_content(&self, message: &str) -> bool {
        let timeless = |text: &str| {
            let mut fields: BTreeMap<String, RawJson> = serde_json::from_str(text).ok()?;
            fields.remove("timestamp");
            Some(fields)
        };
        let same = || Some(timeless(&self.message)? == timeless(message)?);
        self.message == message || same().unwrap_or(false)
    }

    /// The terminal state, if the event is one that is written without the job's lease, under the epoch
    /// of the lease's holder: a cancellation.
    pub fn terminal_state_without_lease(&self) -> Option<TerminalState> {
        match serde_json::from_str(&self.message).ok()? {
            ServerMessage::JobCancelled(_) => Some(TerminalState::Cancelled),
            _ => None,
        }
    }

    /// Whether the claim `epoch` discards this uncommitted event instead of committing it: the watchdog
    /// wrote it to fail the job, because its worker was silent and the job was claimed after that, or because
    /// it seemed unclaimed, while a claim
    /// [in time](super::Job::is_claimed_in_time) was being written.
    pub fn is_outdated_for(&self, epoch: u64, is_claimed_in_time: bool) -> bool {
        let is_settled_by_claim = || {
            let Ok(ServerMessage::JobFailed(failed)) = serde_json::from_str(&self.message) else {
                return false;
            };
            failed.error.is(FailureCode::WorkerLost)
                || failed.error.is(FailureCode::QueueTimeout) && is_claimed_in_time
        };
        self.epoch < epoch && is_settled_by_claim()
    }

    /// The event as an item of `job_events`.
    pub fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<JobEvents>(self)
    }

    /// The event that an item of `job_events` describes.
    pub fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<JobEvents, _>(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_differ_in_a_digit_are_different() {
        let event = |results: &str| Event {
            job_id: "job_20240115_ab".parse().unwrap(),
            seq: 1,
            epoch: 1,
            message: format!(r#"{{"results":{results},"timestamp":"2024-01-15T10:30:15Z"}}"#),
            expires_at: 0,
        };
        let is_same = |one: &str, other: &str| {
            event(one).has_same_content(&event(other).message.replace("10:30", "10:31"))
        };
        assert!(is_same("12.917521550408111", "12.917521550408111"));
        assert!(!is_same("12.917521550408111", "12.917521550408113"));
        assert!(!is_same("123456789012345678901", "123456789012345678902"));
        // These exceed every Rust number type, and are still compared.
        assert!(is_same("1e400", "1e400"));
        assert!(!is_same("1e400", "1e401"));
    }

    #[test]
    fn content_is_compared_without_the_timestamp() {
        let event = Event {
            job_id: "job_20240115_ab".parse().unwrap(),
            seq: 1,
            epoch: 1,
            message: r#"{"stage":"a","timestamp":"2024-01-15T10:30:15Z"}"#.to_owned(),
            expires_at: 0,
        };
        assert!(event.has_same_content(r#"{"timestamp":"2024-01-15T10:30:16Z","stage":"a"}"#));
        assert!(!event.has_same_content(r#"{"stage":"b","timestamp":"2024-01-15T10:30:15Z"}"#));
    }

    #[test]
    fn only_cancellation_ends_a_job_under_the_epoch_of_its_holder() {
        let terminal_state = |rest: &str| event(rest).terminal_state_without_lease();
        assert_eq!(terminal_state(CANCELLED), Some(TerminalState::Cancelled));
        for other in [WORKER_IS_LOST, OWN_FAILURE, COMPLETE] {
            assert_eq!(terminal_state(other), None, "{other}");
        }
    }

    #[test]
    fn later_claim_discards_only_the_loss_of_an_earlier_worker() {
        // Written under the claim 1.
        assert!(event(WORKER_IS_LOST).is_outdated_for(2, false));
        assert!(!event(WORKER_IS_LOST).is_outdated_for(1, false));
        for other in [CANCELLED, OWN_FAILURE, COMPLETE] {
            assert!(!event(other).is_outdated_for(2, true), "{other}");
        }
    }

    #[test]
    fn claim_in_time_discards_a_failure_for_want_of_a_claim() {
        assert!(event(QUEUE_TIMEOUT).is_outdated_for(2, true));
        assert!(!event(QUEUE_TIMEOUT).is_outdated_for(2, false));
        assert!(!event(QUEUE_TIMEOUT).is_outdated_for(1, true));
    }

    const QUEUE_TIMEOUT: &str =
        r#""type":"job_failed","stage":null,"error":{"code":"queue_timeout","message":"late"}"#;

    const CANCELLED: &str = r#""type":"job_cancelled""#;
    const COMPLETE: &str = r#""type":"job_complete","results":1"#;
    const OWN_FAILURE: &str = r#""type":"job_failed","error":{"code":"no_words","message":"m"}"#;
    const WORKER_IS_LOST: &str =
        r#""type":"job_failed","error":{"code":"worker_lost","message":"m"}"#;

    fn event(rest: &str) -> Event {
        let common = r#""job_id":"job_1_a","timestamp":"2024-01-15T10:30:15Z","seq":1"#;
        Event {
            job_id: "job_1_a".parse().unwrap(),
            seq: 1,
            epoch: 1,
            message: format!(r#"{{{common},"correlation_id":"c",{rest}}}"#),
            expires_at: 0,
        }
    }
}
