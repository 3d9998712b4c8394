//! Detects repeated events, so that a repeated post is idempotent.

use stagecast_contract::{ids::JobId, messages::ServerMessage, worker::WorkerEvent};
use stagecast_core::stores::packed;

/// Whether `message`, from the log, is the result of `event`. The event was then applied before, and
/// its worker repeats it because the response was lost.
pub(crate) fn matches_logged(job_id: &JobId, message: &ServerMessage, event: &WorkerEvent) -> bool {
    match (event, message) {
        (WorkerEvent::StageComplete(event), ServerMessage::StageComplete(logged)) => {
            // Large results are in the bucket; their URL contains their hash.
            let (results, _) = packed(job_id, &event.stage, event.results.clone());
            event.stage == logged.stage && results == logged.results
        }
        (WorkerEvent::JobFailed(event), ServerMessage::JobFailed(logged)) => {
            event.error == logged.error && (event.stage.is_none() || event.stage == logged.stage)
        }
        (WorkerEvent::JobComplete {}, ServerMessage::JobComplete(_))
        | (WorkerEvent::JobCancelled(_), ServerMessage::JobCancelled(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use stagecast_contract::{
        messages::StageComplete, timestamp::Timestamp, worker::WorkerStageComplete,
    };

    use super::*;

    fn logged(results: Value) -> ServerMessage {
        let job_id = job_id();
        ServerMessage::StageComplete(StageComplete {
            results: packed(&job_id, "count", results.into()).0,
            job_id,
            stage: "count".to_owned(),
            timestamp: Timestamp::from_epoch_seconds(0),
            seq: 1,
            correlation_id: "req_1_a".to_owned(),
        })
    }

    fn job_id() -> JobId {
        "job_20240115_ab".parse().unwrap()
    }

    fn event(stage: &str, results: Value) -> WorkerEvent {
        WorkerEvent::StageComplete(WorkerStageComplete {
            stage: stage.to_owned(),
            results: results.into(),
        })
    }

    fn is_repeat(message: &ServerMessage, event: &WorkerEvent) -> bool {
        matches_logged(&job_id(), message, event)
    }

    #[test]
    fn only_an_equal_event_is_a_repeat() {
        let three = logged(json!({ "words": 3 }));
        assert!(is_repeat(&three, &event("count", json!({ "words": 3 }))));
        assert!(!is_repeat(&three, &event("count", json!({ "words": 4 }))));
        assert!(!is_repeat(&three, &event("draw", json!({ "words": 3 }))));
        assert!(!is_repeat(&three, &WorkerEvent::JobComplete {}));
    }

    #[test]
    fn large_results_are_compared_too() {
        let large = logged(json!("x".repeat(40_000)));
        assert!(is_repeat(
            &large,
            &event("count", json!("x".repeat(40_000)))
        ));
        assert!(!is_repeat(
            &large,
            &event("count", json!("y".repeat(40_000)))
        ));
        assert!(!is_repeat(&large, &event("count", json!("x"))));
    }
}
