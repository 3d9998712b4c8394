//! The body of a post of events, and the type of each event.

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{InvalidBody, checkpoint, endings, object, progress, stage_complete};
use crate::{
    http::HttpErrorCode,
    limits::{MAX_EVENTS, MAX_NAME_BYTES, truncate_with_ellipsis},
    reading,
    worker::{EventsRequest, WorkerEvent},
};

/// The values of `type` in a [`WorkerEvent`].
pub const EVENT_TYPES: &[&str] = &[
    "progress_update",
    "checkpoint",
    "stage_complete",
    "job_complete",
    "job_failed",
    "job_cancelled",
];

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
            "progress_update" => Self::ProgressUpdate(progress::read(path, text)?),
            "checkpoint" => Self::Checkpoint(checkpoint::read(path, text)?),
            "stage_complete" => Self::StageComplete(stage_complete::read(path, text)?),
            "job_complete" => Self::JobComplete(endings::read_job_complete(path, text)?),
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The error of a post with this body.
    pub(in super::super) fn parse_error(body: &str) -> InvalidBody {
        EventsRequest::parse(body.as_bytes()).expect_err("an error")
    }

    /// The body of a post with this event.
    pub(in super::super) fn with_event(event: &str) -> String {
        format!(r#"{{"epoch":1,"after_seq":0,"events":[{event}]}}"#)
    }

    /// The event that this JSON describes.
    pub(in super::super) fn event(event: &str) -> WorkerEvent {
        let mut request = EventsRequest::parse(with_event(event).as_bytes()).expect("an event");
        request.events.remove(0)
    }

    #[test]
    fn every_event_type_is_parsed() {
        let events = [
            r#"{"type":"progress_update","stage":"count","progress":50,"message":"Counting..."}"#,
            r#"{"type":"checkpoint","stage":"count","state":{"offset":7}}"#,
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
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","completed":12,"total":10}"#,
                "`events[0].completed`: 12 is more than `total`, which is 10",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","total":10}"#,
                "`events[0].completed`: is missing, but `total` is 10",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","completed":1,"total":10,"indeterminate":true}"#,
                "`events[0].indeterminate`: true contradicts `total`, which is 10",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","completed":-1}"#,
                "`events[0].completed`: invalid value: integer `-1`, expected a whole number",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","unit":7}"#,
                "`events[0].unit`: invalid type: integer `7`, expected a string",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5,"message":"","indeterminate":1}"#,
                "`events[0].indeterminate`: invalid type: integer `1`, expected a boolean",
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

    #[test]
    fn empty_events_are_a_heartbeat() {
        let heartbeat = EventsRequest::parse(br#"{"epoch":1,"after_seq":0,"events":[]}"#);
        assert!(heartbeat.expect("a heartbeat").events.is_empty());
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
}
