//! `@connections`: posting to a connection, asking about it, closing it.

use std::sync::Arc;

use http::{Method, Request, StatusCode, header::HeaderName};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{api::WebSocketApi, connection::Connection};
use crate::{
    answers::{self, BodyError, Response},
    faults::{Fault, Faults, Post},
    ids,
    recorder::{Call, Calls},
};

/// `{PREFIX}{api}/{stage}/@connections/{connection id}`.
pub(crate) const PREFIX: &str = "/_aws/execute-api/";

/// Largest message, in bytes.
const MAX_MESSAGE_BYTES: usize = 131_072;

/// What a call to `@connections` comes to.
enum Outcome {
    Answer(Response),
    /// The client's connection breaks without an answer.
    LostAnswer,
}

impl WebSocketApi {
    /// Answers a request whose path begins with [`PREFIX`]; without an answer the connection is
    /// to break.
    pub(crate) async fn manage(
        self: &Arc<Self>,
        request: Request<Incoming>,
        caller: String,
        calls: &Calls,
        faults: &Faults,
    ) -> Option<Response> {
        let path = request.uri().path().to_owned();
        let mut parts = path.trim_start_matches(PREFIX).splitn(4, '/');
        let (api, stage) = (parts.next(), parts.next());
        let (keyword, id) = (parts.next(), parts.next().unwrap_or_default());
        if api != Some(&self.resource.id)
            || stage != Some(&self.resource.stage)
            || keyword.map(decode).as_deref() != Some("@connections")
        {
            let body = json!({"message": "Forbidden"});
            return Some(error(
                StatusCode::FORBIDDEN,
                "ForbiddenException",
                Some(&body),
            ));
        }
        let id = decode(id);
        let method = request.method().clone();
        calls.record(&[Call {
            caller: caller.clone(),
            operation: "execute-api:ManageConnections".to_owned(),
            resource: method.to_string(),
        }]);
        let outcome = match method {
            Method::POST => {
                let body = match answers::read(request, MAX_MESSAGE_BYTES).await {
                    Ok(body) => body,
                    Err(BodyError::TooLarge) => return Some(too_large()),
                    Err(BodyError::Broken) => return None,
                };
                let post = Post {
                    caller: &caller,
                    connection_id: &id,
                    body: &body,
                };
                self.post(&post, faults.of_post(&post)).await
            }
            Method::GET => Outcome::Answer(self.with(&id, |connection| {
                answers::json(StatusCode::OK, &describe(connection))
            })),
            Method::DELETE => Outcome::Answer(self.with(&id, |connection| {
                self.forget(connection);
                connection.delete();
                answers::empty(StatusCode::NO_CONTENT)
            })),
            _ => {
                let body = json!({"message": "Missing Authentication Token"});
                let kind = "MissingAuthenticationTokenException";
                Outcome::Answer(error(StatusCode::FORBIDDEN, kind, Some(&body)))
            }
        };
        match outcome {
            Outcome::Answer(response) => Some(response),
            Outcome::LostAnswer => None,
        }
    }

    async fn post(&self, post: &Post<'_>, fault: Option<Fault>) -> Outcome {
        match fault {
            Some(Fault::Throttle) => return Outcome::Answer(limit_exceeded()),
            Some(Fault::Outage) => {
                let body = json!({"message": "Internal server error"});
                let kind = "InternalServerErrorException";
                let answer = error(StatusCode::INTERNAL_SERVER_ERROR, kind, Some(&body));
                return Outcome::Answer(answer);
            }
            Some(Fault::Denied) => return Outcome::Answer(answer_of_status(403)),
            Some(Fault::Status(status)) => return Outcome::Answer(answer_of_status(status)),
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Conflict | Fault::LostAnswer) | None => {}
        }
        let answer = self.with(post.connection_id, |connection| {
            let text = String::from_utf8_lossy(post.body).into_owned();
            match connection.send(text, self.limits.client_buffer_bytes) {
                Ok(()) => answers::empty(StatusCode::OK),
                Err(_) => limit_exceeded(),
            }
        });
        if fault == Some(Fault::LostAnswer) {
            Outcome::LostAnswer
        } else {
            Outcome::Answer(answer)
        }
    }

    fn with(&self, id: &str, answer: impl FnOnce(&Connection) -> Response) -> Response {
        if !ids::is_connection_id(id) {
            let body = json!({"message": format!("Invalid connectionId: {id}")});
            return error(StatusCode::BAD_REQUEST, "BadRequestException", Some(&body));
        }
        match self.connection(id) {
            Some(connection) => answer(&connection),
            None => error(StatusCode::GONE, "GoneException", None),
        }
    }
}

fn decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn describe(connection: &Connection) -> Value {
    json!({
        "connectedAt": connection.connected_at.iso(),
        "identity": {
            "sourceIp": connection.source_ip,
            "userAgent": connection.user_agent,
        },
        "lastActiveAt": connection.last_active().iso(),
    })
}

fn limit_exceeded() -> Response {
    let body = json!({"message": "Too many requests"});
    error(
        StatusCode::TOO_MANY_REQUESTS,
        "LimitExceededException",
        Some(&body),
    )
}

fn too_large() -> Response {
    let body = json!({"message": "Message too long"});
    error(
        StatusCode::PAYLOAD_TOO_LARGE,
        "PayloadTooLargeException",
        Some(&body),
    )
}

/// The answer that goes with a status, for faults.
fn answer_of_status(status: u16) -> Response {
    match status {
        403 => {
            let body = json!({"message": "Forbidden"});
            error(StatusCode::FORBIDDEN, "ForbiddenException", Some(&body))
        }
        410 => error(StatusCode::GONE, "GoneException", None),
        413 => too_large(),
        429 => limit_exceeded(),
        other => {
            let status = StatusCode::from_u16(other).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answers::empty(status)
        }
    }
}

/// An error as AWS's REST protocols carry it: its name in a header. The body of a 410 is empty.
fn error(status: StatusCode, kind: &'static str, body: Option<&Value>) -> Response {
    let mut response = match body {
        Some(body) => answers::json(status, body),
        None => answers::empty(status),
    };
    let headers = response.headers_mut();
    let kind = http::HeaderValue::from_static(kind);
    headers.insert(HeaderName::from_static("x-amzn-errortype"), kind);
    if let Ok(id) = ids::uuid().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}
