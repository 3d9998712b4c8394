//! Telling a post that comes again from one that is wrong.

use contract::{messages::ServerMessage, worker::WorkerEvent};

/// Whether the log's `message` is what came of `event`: then the event is not new, but its worker
/// has not got the answer to it.
pub(crate) fn is_of(message: &ServerMessage, event: &WorkerEvent) -> bool {
    match (event, message) {
        (WorkerEvent::StageComplete(event), ServerMessage::StageComplete(logged)) => {
            // Large results are in the bucket, where they are of this stage, too.
            let has_them = logged.results.results_url.is_some();
            event.stage == logged.stage && (has_them || event.results == logged.results.results)
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
    use contract::{
        messages::{Results, StageComplete},
        timestamp::Timestamp,
        worker::WorkerStageComplete,
    };
    use serde_json::{Value, json};

    use super::*;

    fn logged(results: Value, results_url: Option<&str>) -> ServerMessage {
        ServerMessage::StageComplete(StageComplete {
            job_id: "job_20240115_ab".parse().unwrap(),
            stage: "count".to_owned(),
            results: Results {
                results,
                results_url: results_url.map(str::to_owned),
            },
            timestamp: Timestamp::from_epoch_seconds(0),
            seq: 1,
            correlation_id: "req_1_a".to_owned(),
        })
    }

    fn event(stage: &str, results: Value) -> WorkerEvent {
        WorkerEvent::StageComplete(WorkerStageComplete {
            stage: stage.to_owned(),
            results,
        })
    }

    #[test]
    fn only_what_says_the_same_is_a_repeat() {
        let three = logged(json!({ "words": 3 }), None);
        assert!(is_of(&three, &event("count", json!({ "words": 3 }))));
        assert!(!is_of(&three, &event("count", json!({ "words": 4 }))));
        assert!(!is_of(&three, &event("draw", json!({ "words": 3 }))));
        assert!(!is_of(&three, &WorkerEvent::JobComplete {}));
        let large = logged(
            Value::Null,
            Some("/v1/jobs/job_20240115_ab/results?stage=count"),
        );
        assert!(is_of(&large, &event("count", json!("x".repeat(40_000)))));
    }
}
