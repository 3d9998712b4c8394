//! `@connections`: posts to a connection, describes it or closes it.

use std::sync::Arc;

use http::{Method, Request, StatusCode, header::HeaderName};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{
    api::WebSocketApi,
    connection::{Api as _, Connection},
};
use crate::{
    faults::{Fault, Faults, Post},
    http_util::{self, BodyError, Response},
    ids,
    recorder::{Call, Calls},
    services::with_fault,
};

/// The path in emulators of API Gateway is `{PREFIX}{api}/{stage}/@connections/{connection id}`. In AWS
/// it is `/{stage}/@connections/{connection id}` on the host of the WebSocket API. Both work here.
const PREFIX: &str = "/_aws/execute-api/";

/// The path segment that identifies requests to `@connections`.
const KEYWORD: &str = "@connections";

/// Largest message, in bytes.
const MAX_MESSAGE_BYTES: usize = 131_072;

impl WebSocketApi {
    /// Serves a request whose path [`is_management`]. `None` breaks the connection.
    pub(crate) async fn manage(
        self: &Arc<Self>,
        request: Request<Incoming>,
        caller: String,
        calls: &Calls,
        faults: &Faults,
    ) -> Option<Response> {
        let (api, stage) = (&self.resource.id, &self.resource.stage);
        let Some(id) = connection_of(request.uri().path(), api, stage) else {
            let body = json!({"message": "Forbidden"});
            return Some(error(
                StatusCode::FORBIDDEN,
                "ForbiddenException",
                Some(&body),
            ));
        };
        let method = request.method().clone();
        calls.record(&[call(&caller, &method)]);
        match method {
            Method::POST => {
                let body = match http_util::read(request, MAX_MESSAGE_BYTES).await {
                    Ok(body) => body,
                    Err(BodyError::TooLarge) => return Some(too_large()),
                    Err(BodyError::TooSlow) => return Some(http_util::request_timeout()),
                    Err(BodyError::Broken) => return None,
                };
                let post = Post {
                    caller: &caller,
                    connection_id: &id,
                    body: &body,
                };
                self.post(&post, faults.of_post(&post)).await
            }
            Method::GET => Some(self.with(&id, |connection| {
                http_util::json(StatusCode::OK, &describe(connection))
            })),
            Method::DELETE => Some(self.with(&id, |connection| {
                self.forget(connection);
                connection.delete();
                http_util::empty(StatusCode::NO_CONTENT)
            })),
            _ => {
                let body = json!({"message": "Missing Authentication Token"});
                let kind = "MissingAuthenticationTokenException";
                Some(error(StatusCode::FORBIDDEN, kind, Some(&body)))
            }
        }
    }

    /// Posts a message, or applies a fault. `None` breaks the caller's connection.
    async fn post(&self, post: &Post<'_>, fault: Option<Fault>) -> Option<Response> {
        let answer = async {
            self.with(post.connection_id, |connection| {
                let text = String::from_utf8_lossy(post.body).into_owned();
                match connection.send(text, self.limits.client_buffer_bytes) {
                    Ok(()) => http_util::empty(StatusCode::OK),
                    Err(_) => limit_exceeded(),
                }
            })
        };
        with_fault(fault, fault_response, answer).await
    }

    fn with(&self, id: &str, answer: impl FnOnce(&Connection) -> Response) -> Response {
        if !ids::is_connection_id(id) {
            let body = json!({"message": format!("Invalid connectionId: {id}")});
            return error(StatusCode::BAD_REQUEST, "BadRequestException", Some(&body));
        }
        match self.connection(id) {
            Some(connection) => answer(&connection),
            None => gone(),
        }
    }
}

/// The call to record for a request.
pub(crate) fn call(caller: &str, method: &Method) -> Call {
    Call {
        caller: caller.to_owned(),
        operation: "execute-api:ManageConnections".to_owned(),
        resource: method.to_string(),
    }
}

/// The response to a post with an injected fault; `None` if `@connections` does not support the fault.
pub(crate) fn fault_response(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Throttle => Some(limit_exceeded()),
        Fault::Outage => {
            let body = json!({"message": "Internal server error"});
            let kind = "InternalServerErrorException";
            Some(error(StatusCode::INTERNAL_SERVER_ERROR, kind, Some(&body)))
        }
        Fault::Denied => Some(response_for_status(403)),
        Fault::Status(status) => Some(response_for_status(status)),
        Fault::Conflict | Fault::Delay(_) | Fault::Hang | Fault::LostResponse => None,
    }
}

/// Whether a path belongs to `@connections` of any API and stage.
pub(crate) fn is_management(path: &str) -> bool {
    let mut segments = path.split('/').skip(2);
    path.starts_with(PREFIX) || segments.next().is_some_and(is_keyword)
}

/// The connection id in a path of any API and stage.
pub(crate) fn any_connection_of(path: &str) -> Option<String> {
    let (_, id) = path.rsplit_once('/')?;
    is_management(path).then(|| decode(id))
}

/// The response for a connection that is closed or unknown.
pub(crate) fn gone() -> Response {
    error(StatusCode::GONE, "GoneException", None)
}

/// The connection id in a path of this API and stage.
fn connection_of(path: &str, api: &str, stage: &str) -> Option<String> {
    let path = match path.strip_prefix(PREFIX) {
        Some(rest) => rest.strip_prefix(api)?,
        None => path,
    };
    let path = path.strip_prefix('/')?.strip_prefix(stage)?;
    let (keyword, id) = path.strip_prefix('/')?.split_once('/')?;
    is_keyword(keyword).then(|| decode(id))
}

/// Some SDKs encode the `@`.
fn is_keyword(segment: &str) -> bool {
    decode(segment) == KEYWORD
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

/// The response of a fault with this status.
fn response_for_status(status: u16) -> Response {
    match status {
        403 => {
            let body = json!({"message": "Forbidden"});
            error(StatusCode::FORBIDDEN, "ForbiddenException", Some(&body))
        }
        410 => gone(),
        413 => too_large(),
        429 => limit_exceeded(),
        other => {
            let status = StatusCode::from_u16(other).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            http_util::empty(status)
        }
    }
}

/// An error of AWS's REST protocols: its name is in a header. The body of a 410 is empty.
fn error(status: StatusCode, kind: &'static str, body: Option<&Value>) -> Response {
    let mut response = match body {
        Some(body) => http_util::json(status, body),
        None => http_util::empty(status),
    };
    let headers = response.headers_mut();
    let kind = http::HeaderValue::from_static(kind);
    headers.insert(HeaderName::from_static("x-amzn-errortype"), kind);
    if let Ok(id) = ids::uuid().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_paths_of_aws_and_of_emulators_are_recognized() {
        for path in [
            "/live/@connections/BFHPhfCWIAMCKlQ=",
            "/live/%40connections/BFHPhfCWIAMCKlQ%3D",
            "/_aws/execute-api/api/live/@connections/BFHPhfCWIAMCKlQ=",
        ] {
            assert!(is_management(path), "{path}");
            let id = connection_of(path, "api", "live");
            assert_eq!(id.as_deref(), Some("BFHPhfCWIAMCKlQ="), "{path}");
        }
    }

    #[test]
    fn other_stages_and_apis_are_not_recognized() {
        for path in [
            "/other/@connections/a",
            "/liver/@connections/a",
            "/_aws/execute-api/other/live/@connections/a",
            "/_aws/execute-api/api/@connections/a",
            "/live/@connections",
        ] {
            assert!(is_management(path), "{path}");
            assert_eq!(connection_of(path, "api", "live"), None, "{path}");
        }
        for path in ["/live", "/v1/orders/o-1", "/@connections/a", "/"] {
            assert!(!is_management(path), "{path}");
        }
    }
}
