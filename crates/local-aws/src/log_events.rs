//! CloudWatch Logs: `FilterLogEvents` over the functions' output.
//!
//! The log group of a function is `/aws/lambda/` and the name of its executable. The output is that of this run, its last
//! 20,000 lines.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http_util::{self, BoxError, Response, header_text},
    ids,
    logs::{LogLine, Logs},
};

/// The prefix of `X-Amz-Target`.
const TARGET_PREFIX: &str = "Logs_20140328.";

/// What precedes the name of a function in that of its log group.
const GROUP_PREFIX: &str = "/aws/lambda/";

/// Largest request, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The most events of a response.
const MAX_EVENTS: usize = 10_000;

/// Serves the functions' output as log events.
#[derive(Debug)]
pub(crate) struct LogEvents {
    logs: Logs,
    functions: BTreeSet<String>,
}

/// An error response: code and message.
#[derive(Debug, PartialEq, Eq)]
struct LogsError(&'static str, String);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventQuery {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    #[serde(default)]
    filter_pattern: String,
    limit: Option<usize>,
    next_token: Option<String>,
}

impl LogEvents {
    /// The output of these functions, by the names of their executables.
    pub(crate) fn new(logs: Logs, functions: BTreeSet<String>) -> Self {
        Self { logs, functions }
    }

    /// Whether a request is for this service.
    pub(crate) fn accept<B>(request: &Request<B>) -> bool {
        header_text(request.headers(), "x-amz-target").starts_with(TARGET_PREFIX)
    }

    /// Serves a request. `None` breaks the connection without a response.
    pub(crate) async fn handle<B>(&self, request: Request<B>) -> Option<Response>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let target = header_text(request.headers(), "x-amz-target").to_owned();
        let body = match http_util::read(request, MAX_REQUEST_BYTES).await {
            Ok(body) => body,
            Err(error) => return http_util::body_error_response(&error),
        };
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        let answer = match operation {
            "FilterLogEvents" => self.filter(&body),
            other => Err(LogsError(
                "UnknownOperationException",
                format!("{other} is not supported by the local stack"),
            )),
        };
        Some(match answer {
            Ok(answer) => respond(StatusCode::OK, &answer),
            Err(LogsError(code, message)) => {
                let body = json!({ "__type": code, "message": message });
                respond(StatusCode::BAD_REQUEST, &body)
            }
        })
    }

    fn filter(&self, body: &[u8]) -> Result<Value, LogsError> {
        let invalid = |message: String| LogsError("InvalidParameterException", message);
        let request: EventQuery =
            serde_json::from_slice(body).map_err(|it| invalid(it.to_string()))?;
        let group = request.log_group_name.or(request.log_group_identifier);
        let group = group.unwrap_or_default();
        let function = group.strip_prefix(GROUP_PREFIX).unwrap_or_default();
        if !self.functions.contains(function) {
            let message = format!("The specified log group does not exist: {group}");
            return Err(LogsError("ResourceNotFoundException", message));
        }
        let terms = terms(&request.filter_pattern).ok_or_else(|| {
            invalid(format!(
                "the local stack supports only filter patterns of quoted terms, not {}",
                request.filter_pattern
            ))
        })?;
        let from = match request.next_token.as_deref().map(str::parse) {
            None => 0,
            Some(Ok(number)) => number,
            Some(Err(_)) => return Err(invalid("The specified nextToken is invalid.".to_owned())),
        };
        let limit = request.limit.unwrap_or(MAX_EVENTS).clamp(1, MAX_EVENTS);
        let matches = |line: &LogLine| {
            line.function == function
                && request
                    .start_time
                    .is_none_or(|start| line.time_millis >= start)
                && request.end_time.is_none_or(|end| line.time_millis < end)
                && terms.iter().all(|term| line.text.contains(term))
        };
        let found = self.logs.numbered(from, limit, matches);
        let next = found.last().filter(|_| found.len() == limit);
        let next = next.map(|(number, _)| (number + 1).to_string());
        let events = found.into_iter().map(|(number, line)| {
            json!({
                "logStreamName": "local",
                "timestamp": line.time_millis,
                "ingestionTime": line.time_millis,
                "message": line.text,
                "eventId": format!("{number:056}"),
            })
        });
        let mut answer = json!({
            "events": events.collect::<Vec<_>>(),
            "searchedLogStreams": [],
        });
        if let Some(next) = next {
            answer["nextToken"] = next.into();
        }
        Ok(answer)
    }
}

/// The terms of a pattern such as `"job_1" "ERROR"`, all of which a line contains; `None` for a pattern of another kind.
fn terms(pattern: &str) -> Option<Vec<String>> {
    let mut terms = Vec::new();
    let mut rest = pattern.trim();
    while !rest.is_empty() {
        let (term, after) = rest.strip_prefix('"')?.split_once('"')?;
        if term.is_empty() || term.contains('\\') {
            return None;
        }
        terms.push(term.to_owned());
        rest = after.trim_start();
    }
    Some(terms)
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let mut response = http_util::json(status, body);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    headers.insert(header::CONTENT_TYPE, json);
    if let Ok(id) = ids::uuid().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::ShowLogs;

    fn served() -> LogEvents {
        let logs = Logs::new(ShowLogs::Hidden);
        for (function, text) in [
            ("orders", "created o-1"),
            ("carts", "created c-1"),
            ("orders", "paid o-1"),
            ("orders", "created o-2"),
        ] {
            logs.add(function, text.to_owned());
        }
        let functions = ["orders", "carts", "idle"].map(str::to_owned);
        LogEvents::new(logs, functions.into())
    }

    fn filter(request: &Value) -> Result<Value, LogsError> {
        served().filter(request.to_string().as_bytes())
    }

    fn messages(answer: &Value) -> Vec<&str> {
        let events = answer["events"].as_array().expect("events");
        let messages = events.iter().map(|event| event["message"].as_str());
        messages.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn events_of_a_function_are_filtered_by_terms_and_time() {
        let all = filter(&json!({"logGroupName": "/aws/lambda/orders"})).expect("events");
        assert_eq!(messages(&all), ["created o-1", "paid o-1", "created o-2"]);
        assert!(all.get("nextToken").is_none());
        let group = json!({
            "logGroupIdentifier": "/aws/lambda/orders",
            "filterPattern": "\"created\" \"o-1\"",
        });
        assert_eq!(messages(&filter(&group).expect("events")), ["created o-1"]);
        let later = json!({"logGroupName": "/aws/lambda/orders", "startTime": i64::MAX});
        assert_eq!(messages(&filter(&later).expect("events")), [""; 0]);
        let idle = json!({"logGroupName": "/aws/lambda/idle"});
        assert_eq!(messages(&filter(&idle).expect("events")), [""; 0]);
    }

    #[test]
    fn pages_have_each_event_once() {
        let first = json!({"logGroupName": "/aws/lambda/orders", "limit": 2});
        let first = filter(&first).expect("events");
        assert_eq!(messages(&first), ["created o-1", "paid o-1"]);
        let next = json!({
            "logGroupName": "/aws/lambda/orders", "limit": 2, "nextToken": first["nextToken"],
        });
        let next = filter(&next).expect("events");
        assert_eq!(messages(&next), ["created o-2"]);
        assert!(next.get("nextToken").is_none());
    }

    #[test]
    fn unknown_group_and_pattern_are_refused() {
        let unknown = filter(&json!({"logGroupName": "/aws/lambda/other"}));
        assert_eq!(unknown.expect_err("unknown").0, "ResourceNotFoundException");
        let pattern = json!({
            "logGroupName": "/aws/lambda/orders", "filterPattern": "{ $.level = \"ERROR\" }",
        });
        assert_eq!(
            filter(&pattern).expect_err("JSON").0,
            "InvalidParameterException"
        );
    }
}
