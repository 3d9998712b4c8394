//! Detects repeated events, so that a repeated post is idempotent.

use stagecast_contract::{
    ids::JobId,
    messages::{Artifact, ServerMessage},
    worker::WorkerEvent,
};
use stagecast_core::stores::packed;

/// Whether `message`, from the log, is the result of `event`. The event was then applied before, and
/// its worker repeats it because the response was lost.
pub(crate) fn matches_logged(job_id: &JobId, message: &ServerMessage, event: &WorkerEvent) -> bool {
    match (event, message) {
        (WorkerEvent::StageComplete(event), ServerMessage::StageComplete(logged)) => {
            // Large results are in the bucket; their URL contains their hash.
            let (results, _) = packed(job_id, &event.stage, event.results.clone());
            event.stage == logged.stage
                && results == logged.results
                && event.artifacts.len() == logged.artifacts.len()
                && are_listed(&event.artifacts, &logged.artifacts)
        }
        (WorkerEvent::JobFailed(event), ServerMessage::JobFailed(logged)) => {
            event.error == logged.error && (event.stage.is_none() || event.stage == logged.stage)
        }
        (WorkerEvent::JobComplete(event), ServerMessage::JobComplete(logged)) => {
            are_listed(&event.artifacts, &logged.artifacts)
        }
        (WorkerEvent::JobCancelled(_), ServerMessage::JobCancelled(_)) => true,
        _ => false,
    }
}

fn are_listed(artifacts: &[Artifact], list: &[Artifact]) -> bool {
    artifacts.iter().all(|artifact| list.contains(artifact))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use stagecast_contract::{
        messages::StageComplete,
        timestamp::Timestamp,
        worker::{WorkerJobComplete, WorkerStageComplete},
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
            artifacts: Vec::new(),
        })
    }

    fn job_id() -> JobId {
        "job_20240115_ab".parse().unwrap()
    }

    fn event(stage: &str, results: Value) -> WorkerEvent {
        WorkerEvent::StageComplete(WorkerStageComplete {
            stage: stage.to_owned(),
            results: results.into(),
            artifacts: Vec::new(),
        })
    }

    fn is_repeat(message: &ServerMessage, event: &WorkerEvent) -> bool {
        matches_logged(&job_id(), message, event)
    }

    #[test]
    fn only_an_equal_event_is_a_repeat() {
        let complete = WorkerEvent::JobComplete(WorkerJobComplete::default());
        let three = logged(json!({ "words": 3 }));
        assert!(is_repeat(&three, &event("count", json!({ "words": 3 }))));
        assert!(!is_repeat(&three, &event("count", json!({ "words": 4 }))));
        assert!(!is_repeat(&three, &event("draw", json!({ "words": 3 }))));
        assert!(!is_repeat(&three, &complete));
    }

    #[test]
    fn artifacts_are_compared_too() {
        let artifact = |name: &str| Artifact {
            name: name.to_owned(),
            content_type: "text/plain".to_owned(),
            size: 1,
            sha256: "0a".repeat(32),
        };
        let with = |artifacts: &[Artifact]| {
            let WorkerEvent::StageComplete(mut complete) = event("count", json!(1)) else {
                panic!("another event");
            };
            complete.artifacts = artifacts.to_vec();
            WorkerEvent::StageComplete(complete)
        };
        let ServerMessage::StageComplete(mut message) = logged(json!(1)) else {
            panic!("another message");
        };
        message.artifacts = vec![artifact("a"), artifact("b")];
        let message = ServerMessage::StageComplete(message);
        // The list of the job may have another order.
        assert!(is_repeat(&message, &with(&[artifact("b"), artifact("a")])));
        assert!(!is_repeat(&message, &with(&[artifact("a")])));
        assert!(!is_repeat(&message, &with(&[artifact("a"), artifact("c")])));
        assert!(!is_repeat(&message, &event("count", json!(1))));
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
