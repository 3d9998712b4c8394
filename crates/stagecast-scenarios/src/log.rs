//! Reads the log of a job as the protocol asks of clients.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::{Client, ENDS};

/// The durable messages of a job after `after`, in the order of `seq`, up to and including the terminal
/// message.
///
/// A message that comes again, as after a retried post, must equal its first copy, and a message that comes
/// early is held back until the gap is filled. Checks progress updates.
///
/// # Panics
///
/// When the job fails: the panic names the failure's code and message.
pub(crate) async fn read(client: &mut Client, job_id: &str, after: u64) -> Vec<Value> {
    let mut log = BTreeMap::new();
    let mut end = None;
    loop {
        let message = client.next().await.expect("a message");
        assert_eq!(message["job_id"], job_id, "{message}");
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "progress_update" {
            check_progress(&message);
            continue;
        }
        let is_end = ENDS.contains(&kind);
        assert!(
            is_end || kind == "stage_complete",
            "an unexpected message: {message}"
        );
        if let Some(failure) = failure(&message) {
            panic!("{failure}");
        }
        let seq = seq(&message);
        if is_end {
            end = Some(seq);
        }
        if seq > after {
            let first = log.entry(seq).or_insert_with(|| message.clone());
            assert_eq!(*first, message, "two durable messages have the seq {seq}");
        }
        if end.is_some_and(|end| log.keys().copied().eq(after + 1..=end)) {
            return log.into_values().collect();
        }
    }
}

/// The `seq` of a durable message.
pub(crate) fn seq(message: &Value) -> u64 {
    let seq = message["seq"].as_u64();
    seq.unwrap_or_else(|| panic!("a message without a seq: {message}"))
}

/// Why a job of a valid input has failed, if this is the message that says so.
fn failure(message: &Value) -> Option<String> {
    (message["type"] == "job_failed").then(|| {
        let error = &message["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let stage = match message["stage"].as_str() {
            Some(stage) => format!(" in the stage {stage}"),
            None => String::new(),
        };
        format!(
            "the pipeline fails the given input{stage}: {}: {}\n\
             help: give delivery_scenarios! an input that the pipeline completes; `cargo dev` runs single jobs",
            text(&error["code"]),
            text(&error["message"]),
        )
    })
}

fn check_progress(update: &Value) {
    assert!(update["stage"].is_string(), "{update}");
    for field in ["progress", "overall_progress"] {
        let percent = update[field].as_u64();
        assert!(percent.is_some_and(|percent| percent <= 100), "{update}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failure_names_code_message_and_stage() {
        let message = json!({
            "type": "job_failed", "job_id": "job_1", "seq": 1, "stage": "parse",
            "error": { "code": "no_rows", "message": "The file has no rows." },
        });
        let text = failure(&message).expect("a failure");
        let expected = "the pipeline fails the given input in the stage parse: no_rows: The file has no rows.\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(failure(&json!({ "type": "job_complete" })), None);
    }
}
