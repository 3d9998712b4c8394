//! `stage_complete`.

use super::{InvalidBody, artifacts, nesting};
use crate::{reading, worker::WorkerStageComplete};

/// Parses the end of a stage at `path`.
pub(super) fn read(path: &str, text: &str) -> Result<WorkerStageComplete, InvalidBody> {
    let complete: WorkerStageComplete = reading::object(path, text)?;
    nesting::check(&format!("{path}.results"), &complete.results)?;
    artifacts::check(path, &complete.artifacts)?;
    Ok(complete)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::{super::events::tests::with_event, *};
    use crate::{
        limits::MAX_RESULTS_DEPTH,
        messages::{Results, ServerMessage, StageComplete},
        timestamp::Timestamp,
        worker::{EventsRequest, WorkerEvent},
    };

    fn results_of(results: &str) -> Result<WorkerStageComplete, InvalidBody> {
        let body = with_event(&format!(
            r#"{{"type":"stage_complete","stage":"a","results":{results}}}"#
        ));
        match EventsRequest::parse(body.as_bytes())?.events.remove(0) {
            WorkerEvent::StageComplete(complete) => Ok(complete),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn results_are_kept_byte_for_byte() {
        for results in [
            "12.917521550408111",
            "6.7137459245666965e-12",
            "123456789012345678901234567890",
            "[-0, 1e400, 1.0, 1E+2]",
            r#"{ "b": 1, "a": 2, "b": 3 }"#,
            r#""\u00e9\ud800 é""#,
            "null",
        ] {
            assert_eq!(results_of(results).expect("results").results.get(), results);
        }
    }

    #[test]
    fn results_are_limited_in_depth_for_common_parsers() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(results_of(&nested(MAX_RESULTS_DEPTH)).is_ok());
        // `finished` of a claim contains them three levels deep.
        let answer = format!(
            r#"{{"finished":[{{"results":{}}}]}}"#,
            nested(MAX_RESULTS_DEPTH)
        );
        assert!(serde_json::from_str::<Value>(&answer).is_ok());
        let rejected = results_of(&nested(50_000)).expect_err("an error");
        assert_eq!(rejected.details["field"], "events[0].results");
        assert!(rejected.message.contains("50000 levels"), "{rejected}");
    }

    proptest! {
        #[test]
        fn doubles_reach_the_message_byte_for_byte(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            for text in [number.to_string(), format!("{number:e}"), format!("{number:.17e}")] {
                prop_assert_eq!(&passed_on(&text), &text);
            }
        }

        #[test]
        fn any_json_reaches_the_message_byte_for_byte(text in any_json()) {
            prop_assert_eq!(passed_on(&text), text);
        }
    }

    /// The results in the message after a round trip through the log.
    fn passed_on(results: &str) -> String {
        let complete = results_of(results).expect("results");
        let message = ServerMessage::StageComplete(StageComplete {
            job_id: "job_20240115_ab".parse().expect("an id"),
            stage: complete.stage,
            results: Results {
                results: complete.results,
                results_url: None,
            },
            timestamp: Timestamp::from_epoch_seconds(0),
            seq: 1,
            correlation_id: String::new(),
            artifacts: Vec::new(),
        });
        let logged: ServerMessage = serde_json::from_str(&message.to_json()).expect("a message");
        match logged {
            ServerMessage::StageComplete(complete) => complete.results.results.get().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Arbitrary JSON text: numbers of any length, any order of keys, any whitespace.
    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "null|true|false",
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?",
            any::<String>().prop_map(|text| json!(text).to_string()),
            Just(r#""\udc00\/\u0022""#.to_owned()),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            let entry = ("[a-c]{1,2}", inner.clone());
            prop_oneof![
                vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(" ,"))),
                vec(entry, 0..5).prop_map(|entries| {
                    let entries = entries
                        .iter()
                        .map(|(key, value)| format!("\"{key}\":\t{value}"));
                    format!("{{{}\n}}", entries.collect::<Vec<_>>().join(", "))
                }),
            ]
        })
    }
}
