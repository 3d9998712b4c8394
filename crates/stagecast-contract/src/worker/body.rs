//! Parses the bodies that workers send. Errors name the offending field. Cosmetic faults, such as
//! an overlong message, are corrected and do not reject the event.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json, value::RawValue};
use typed_contract::names::is_alphanumeric_or;

use super::{ClaimRequest, EventsRequest, WorkerEvent};
use crate::{
    http::HttpErrorCode,
    limits::{
        MAX_EVENTS, MAX_NAME_BYTES, MAX_RESULTS_DEPTH, MAX_STAGES, MAX_TEXT_BYTES,
        truncate_with_ellipsis,
    },
    messages::JobError,
    reading::{self, FieldError},
};

/// Why a worker's body was rejected.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("{message}")]
pub struct InvalidBody {
    /// The error code of the response.
    pub code: HttpErrorCode,
    /// What is wrong and how to correct it, in English.
    pub message: String,
    /// The offending field and, for an unknown name, the name.
    pub details: Value,
}

/// The values of `type` in a [`WorkerEvent`].
pub const EVENT_TYPES: &[&str] = &[
    "progress_update",
    "stage_complete",
    "job_complete",
    "job_failed",
    "job_cancelled",
];

impl InvalidBody {
    fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self {
            code: HttpErrorCode::InvalidBody,
            message: format!("`{field}`: {problem}"),
            details: json!({ "field": field }),
        }
    }
}

impl From<FieldError> for InvalidBody {
    fn from(FieldError { path, problem }: FieldError) -> Self {
        Self::field(path, problem)
    }
}

impl ClaimRequest {
    /// Parses a body. Unknown fields are ignored; every other fault is an error that names the
    /// field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let claim: Self = object(body, r#"{"stages":["count","draw"]}"#)?;
        if claim.stages.is_empty() || claim.stages.len() > MAX_STAGES {
            let problem = format!(
                "{} stages; name 1 to {MAX_STAGES} that the worker runs",
                claim.stages.len()
            );
            return Err(InvalidBody::field("stages", problem));
        }
        for (index, stage) in claim.stages.iter().enumerate() {
            check_name(&format!("stages[{index}]"), stage)?;
            if claim.stages[..index].contains(stage) {
                let problem = format!("'{stage}' is declared twice; give each stage its own name");
                return Err(InvalidBody::field(format!("stages[{index}]"), problem));
            }
        }
        if let Some(worker_id) = &claim.worker_id {
            check_name("worker_id", worker_id)?;
        }
        Ok(claim)
    }
}

impl EventsRequest {
    /// Parses a body. Unknown fields are ignored; every other fault is an error that names the
    /// field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(deserialize_with = "reading::whole_number")]
            epoch: u64,
            #[serde(deserialize_with = "reading::whole_number")]
            after_seq: u64,
            #[serde(borrow)]
            events: Vec<&'a RawValue>,
        }
        const EXAMPLE: &str = r#"{"epoch":1,"after_seq":0,"events":[{"type":"job_complete"}]}"#;
        let fields: Fields<'_> = object(body, EXAMPLE)?;
        if fields.events.len() > MAX_EVENTS {
            let problem = format!(
                "{} events; send at most {MAX_EVENTS} at a time",
                fields.events.len()
            );
            return Err(InvalidBody::field("events", problem));
        }
        let mut events = Vec::with_capacity(fields.events.len());
        for (index, event) in fields.events.iter().enumerate() {
            let path = format!("events[{index}]");
            let event = WorkerEvent::read(&path, event.get())?;
            if event.ends_the_job() && index + 1 < fields.events.len() {
                let problem = "this ends the job; make it the last event";
                return Err(InvalidBody::field(path, problem));
            }
            events.push(event);
        }
        Ok(Self {
            epoch: fields.epoch,
            after_seq: fields.after_seq,
            events,
        })
    }
}

impl WorkerEvent {
    /// Parses the event at `path`: first its type, then the fields of that type.
    fn read(path: &str, text: &str) -> Result<Self, InvalidBody> {
        let kind = reading::tag(path, text)?;
        Ok(match kind.as_ref() {
            "progress_update" => {
                let mut update: super::WorkerProgress = reading::object(path, text)?;
                update.message = truncate_with_ellipsis(update.message, MAX_TEXT_BYTES);
                Self::ProgressUpdate(update)
            }
            "stage_complete" => {
                let complete: super::WorkerStageComplete = reading::object(path, text)?;
                let depth = complete.results.depth();
                if depth > MAX_RESULTS_DEPTH {
                    let problem = format!(
                        "arrays and objects are nested {depth} levels deep; send at most \
                         {MAX_RESULTS_DEPTH}"
                    );
                    return Err(InvalidBody::field(format!("{path}.results"), problem));
                }
                Self::StageComplete(complete)
            }
            "job_complete" => Self::JobComplete {},
            "job_failed" => Self::JobFailed(reading::object(path, text)?),
            "job_cancelled" => Self::JobCancelled(reading::object(path, text)?),
            unknown => {
                let kind = truncate_with_ellipsis(unknown.to_owned(), MAX_NAME_BYTES);
                return Err(InvalidBody {
                    code: HttpErrorCode::UnknownType,
                    message: format!(
                        "`{path}.type`: unknown event type '{kind}'; use one of {}",
                        EVENT_TYPES.join(", ")
                    ),
                    details: json!({ "field": format!("{path}.type"), "type": kind }),
                });
            }
        })
    }
}

/// For `deserialize_with`: the error of a failure, with any code and message that are strings.
pub(super) fn job_error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JobError, D::Error> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(deserialize_with = "reading::text")]
        code: String,
        #[serde(deserialize_with = "reading::text")]
        message: String,
    }
    let fields = Fields::deserialize(deserializer)?;
    Ok(JobError::of_stage(&fields.code, fields.message))
}

fn object<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Result<T, InvalidBody> {
    let text = reading::json(body).map_err(|problem| InvalidBody {
        code: HttpErrorCode::InvalidJson,
        message: format!("the body is not JSON: {problem}; send an object like {example}"),
        details: Value::Null,
    })?;
    reading::object("", text).map_err(|error| {
        if error.path.is_empty() {
            return InvalidBody {
                code: HttpErrorCode::InvalidBody,
                message: format!("the body: {}; send an object like {example}", error.problem),
                details: Value::Null,
            };
        }
        error.into()
    })
}

/// Names are part of URLs, of the bucket's keys and of logs.
fn check_name(field: &str, name: &str) -> Result<(), InvalidBody> {
    let is_name =
        !name.is_empty() && name.len() <= MAX_NAME_BYTES && is_alphanumeric_or(name, b"_-");
    if is_name {
        return Ok(());
    }
    let short: String = name.chars().take(MAX_NAME_BYTES).collect();
    let problem =
        format!("'{short}' is not a name; use 1 to {MAX_NAME_BYTES} letters, digits, '_' and '-'");
    Err(InvalidBody::field(field, problem))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        messages::{Results, ServerMessage, StageComplete},
        timestamp::Timestamp,
        worker::WorkerStageComplete,
    };

    fn parse_error(body: &str) -> InvalidBody {
        EventsRequest::parse(body.as_bytes()).expect_err("an error")
    }

    fn with_event(event: &str) -> String {
        format!(r#"{{"epoch":1,"after_seq":0,"events":[{event}]}}"#)
    }

    #[test]
    fn every_event_type_is_parsed() {
        let events = [
            r#"{"type":"progress_update","stage":"count","progress":50,"message":"Counting..."}"#,
            r#"{"type":"stage_complete","stage":"count","results":{"words":3}}"#,
            r#"{"type":"job_complete"}"#,
            r#"{"type":"job_failed","error":{"code":"no_words","message":"None."}}"#,
            r#"{"type":"job_cancelled","stage":"count"}"#,
        ];
        for (event, kind) in events.iter().zip(EVENT_TYPES) {
            let request = EventsRequest::parse(with_event(event).as_bytes()).expect("an event");
            let written = serde_json::to_value(&request.events[0]).expect("JSON");
            assert_eq!(written["type"], *kind);
        }
    }

    #[test]
    fn invalid_body_error_names_the_field() {
        assert_eq!(parse_error("hello").code, HttpErrorCode::InvalidJson);
        assert_eq!(parse_error("[]").code, HttpErrorCode::InvalidBody);
        let unknown = parse_error(&with_event(r#"{"type":"stage_done"}"#));
        assert_eq!(unknown.code, HttpErrorCode::UnknownType);
        assert!(unknown.message.contains("stage_complete"), "{unknown}");
        let cases = [
            (
                r#"{"type":"progress_update","stage":"a","progress":101,"message":""}"#,
                "101",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":-1,"message":""}"#,
                "-1",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":0.5,"message":""}"#,
                "0.5",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":33.3,"message":""}"#,
                "`events[0].progress`: invalid value: floating point `33.3`, expected a whole number from 0 to 100",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":"5","message":""}"#,
                "`events[0].progress`: invalid type: string \"5\", expected a whole number",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","estimated_seconds_remaining":18446744073709551615}"#,
                "`events[0].estimated_seconds_remaining`: invalid value: integer `18446744073709551615`, expected a whole number from 0 to 31536000",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","overall_progress":100.5}"#,
                "`events[0].overall_progress`",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5}"#,
                "`events[0].message`: is missing",
            ),
            (
                r#"{"type":"job_complete","a":1},{"type":7}"#,
                "make it the last",
            ),
            (r#"{"type":7}"#, "`events[0].type`"),
            (r#"{"stage":"a"}"#, "`events[0].type`: is missing"),
            ("[]", "`events[0]`: is not a JSON object"),
            (
                r#"{"type":"job_failed","error":{"code":5,"message":""}}"#,
                "`events[0].error.code`: invalid type: integer `5`, expected a string",
            ),
            (
                r#"{"type":"job_failed","error":{"code":"a"}}"#,
                "`events[0].error.message`: is missing",
            ),
            (
                r#"{"type":"stage_complete","stage":"a","results":1,"results":2}"#,
                "duplicate field `results`",
            ),
            (
                r#"{"type":"job_complete"},{"type":"job_complete"}"#,
                "the last",
            ),
        ];
        for (event, part) in cases {
            let rejected = parse_error(&with_event(event));
            assert_eq!(rejected.code, HttpErrorCode::InvalidBody, "{event}");
            assert!(rejected.message.contains(part), "{rejected}");
        }
        let negative = parse_error(r#"{"epoch":-1,"after_seq":0,"events":[]}"#);
        assert_eq!(negative.details["field"], "epoch");
        let events = [r#"{"type":"stage_complete"}"#; MAX_EVENTS + 1].join(",");
        assert_eq!(parse_error(&with_event(&events)).details["field"], "events");
    }

    fn event(event: &str) -> WorkerEvent {
        let mut request = EventsRequest::parse(with_event(event).as_bytes()).expect("an event");
        request.events.remove(0)
    }

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
    fn empty_events_are_a_heartbeat() {
        let heartbeat = EventsRequest::parse(br#"{"epoch":1,"after_seq":0,"events":[]}"#);
        assert!(heartbeat.expect("a heartbeat").events.is_empty());
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

    #[test]
    fn failure_with_overlong_fields_is_accepted() {
        let long = "é".repeat(1_467);
        let failed = event(&format!(
            r#"{{"type":"job_failed","error":{{"code":"E 1","message":"{long}\ud83d"}},"stage":"{long}"}}"#
        ));
        let WorkerEvent::JobFailed(failure) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(failure.error.code, "E_1");
        assert!(failure.error.message.len() <= MAX_TEXT_BYTES);
        assert!(failure.error.message.ends_with("é…"));
    }

    #[test]
    fn overlong_progress_message_is_cut() {
        let update = event(&format!(
            r#"{{"type":"progress_update","stage":"a","progress":1,"message":"{}"}}"#,
            "x".repeat(MAX_TEXT_BYTES + 1)
        ));
        let WorkerEvent::ProgressUpdate(update) = update else {
            panic!("{update:?}");
        };
        assert_eq!(update.message.len(), MAX_TEXT_BYTES);
    }

    #[test]
    fn unknown_stage_is_dropped_only_from_a_terminal_event() {
        let mut failed =
            event(r#"{"type":"job_failed","error":{"code":"a","message":""},"stage":"b"}"#);
        failed.forget_stage_unless(|stage| stage == "b");
        assert_eq!(failed.stage(), Some("b"));
        failed.forget_stage_unless(|stage| stage == "a");
        assert_eq!(failed.stage(), None);
        let mut complete = event(r#"{"type":"stage_complete","stage":"b","results":1}"#);
        complete.forget_stage_unless(|_| false);
        assert_eq!(complete.stage(), Some("b"));
    }

    #[test]
    fn claim_rejects_stage_names_that_do_not_fit_in_a_url() {
        let claim = ClaimRequest::parse(br#"{"stages":["count","draw"],"worker_id":"a-1"}"#);
        assert_eq!(claim.expect("a claim").stages, ["count", "draw"]);
        for body in [
            r#"{"stages":[]}"#,
            r#"{"stages":["a","a"]}"#,
            r#"{"stages":["a/b"]}"#,
            r#"{"stages":[""]}"#,
            r#"{"stages":["a"],"worker_id":"a b"}"#,
            "{}",
        ] {
            let rejected = ClaimRequest::parse(body.as_bytes()).expect_err("an error");
            assert_eq!(rejected.code, HttpErrorCode::InvalidBody, "{body}");
        }
    }
}
