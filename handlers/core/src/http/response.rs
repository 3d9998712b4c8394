//! Answers, good and bad.

use aws_lambda_events::{apigw::ApiGatewayV2httpResponse, encodings::Body};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use contract::{
    http::{ErrorBody, HttpError, HttpErrorCode},
    ids::RequestId,
    routes::HttpRoute,
    worker::InvalidBody,
};
use lambda_runtime::tower::BoxError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    aws::{SendError, is_access_denied},
    stores::StoreError,
    unattended::SettleError,
};

/// When a request that met another one is to be repeated, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// What serving a request comes to.
pub type ApiResult = Result<ApiResponse, ApiError>;

/// Why a request was not done.
#[derive(Debug)]
pub struct ApiError {
    code: HttpErrorCode,
    message: String,
    details: Map<String, Value>,
    /// What only the log may say.
    cause: Option<BoxError>,
}

impl ApiError {
    /// A problem in the words of a person.
    pub fn new(code: HttpErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            cause: None,
        }
    }

    /// The code.
    pub fn code(&self) -> HttpErrorCode {
        self.code
    }

    /// What is wrong, for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same problem with something more that programs can look at.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The fault is ours; `cause` is only logged.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        let message = if is_access_denied(&cause.to_string()) {
            "the request could not be served: a policy denies the function an action that it takes, \
             so another attempt does not help; the function's log names the action, under this \
             request_id"
        } else {
            "the request could not be served; try again, or ask about its request_id"
        };
        let mut problem = Self::new(HttpErrorCode::Internal, message);
        problem.cause = Some(cause);
        problem
    }
}

impl From<InvalidBody> for ApiError {
    fn from(invalid: InvalidBody) -> Self {
        let mut problem = Self::new(invalid.code, invalid.message);
        if let Value::Object(details) = invalid.details {
            problem.details = details;
        }
        problem
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        Self::internal(error)
    }
}

impl From<SettleError> for ApiError {
    fn from(error: SettleError) -> Self {
        Self::internal(error)
    }
}

/// A good answer.
#[derive(Debug)]
pub struct ApiResponse {
    status: u16,
    body: Body,
    content_type: String,
    location: Option<String>,
}

impl ApiResponse {
    /// An answer with JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(ApiError::internal)?;
        Ok(Self {
            status,
            ..Self::raw_json(body)
        })
    }

    /// An answer whose body is JSON already.
    pub fn raw_json(body: String) -> Self {
        Self {
            status: 200,
            body: Body::Text(body),
            content_type: "application/json".to_owned(),
            location: None,
        }
    }

    /// An answer with bytes of some kind.
    pub fn bytes(bytes: Vec<u8>, content_type: String) -> Self {
        Self {
            body: Body::Binary(bytes),
            content_type,
            ..Self::raw_json(String::new())
        }
    }

    /// The same request, at another address.
    pub fn redirect(address: String) -> Self {
        Self {
            status: 307,
            location: Some(address),
            ..Self::raw_json(String::new())
        }
    }
}

/// The response of the function that serves `route`.
pub fn respond(
    route: Option<HttpRoute>,
    request_id: &RequestId,
    outcome: ApiResult,
) -> ApiGatewayV2httpResponse {
    let answer = outcome.unwrap_or_else(|problem| refusal(route, request_id, problem));
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(answer.status);
    if let Body::Binary(bytes) = &answer.body {
        response.is_base64_encoded = true;
        response.body = Some(Body::Text(BASE64_STANDARD.encode(bytes)));
    } else {
        response.body = Some(answer.body);
    }
    // A server that asks for a repetition says when.
    let retry_after = (answer.status == 503).then(|| RETRY_AFTER_SECONDS.to_string());
    let headers = [
        ("content-type", Some(answer.content_type)),
        // Snapshots change, and nobody but the one with the key may see them.
        ("cache-control", Some("no-store".to_owned())),
        ("x-request-id", Some(request_id.to_string())),
        ("location", answer.location),
        ("retry-after", retry_after),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers.insert(name, value);
        }
    }
    response
}

fn refusal(route: Option<HttpRoute>, request_id: &RequestId, problem: ApiError) -> ApiResponse {
    let code = problem.code;
    debug_assert!(
        route.is_none_or(|route| route.errors().contains(&code)),
        "{route:?} answers with {code:?}: add it to HttpRoute::errors in contract/src/http.rs"
    );
    if let Some(cause) = &problem.cause {
        tracing::error!(?code, %cause, "a request could not be served");
    } else {
        // Not the words: they quote the request, whose sender may have put a key where it does not
        // belong.
        tracing::info!(?code, "refused");
    }
    let body = ErrorBody {
        error: HttpError {
            code,
            message: problem.message,
            request_id: request_id.clone(),
            details: problem.details,
        },
    };
    ApiResponse {
        status: code.status(),
        ..ApiResponse::raw_json(serde_json::to_string(&body).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use contract::limits::MAX_ANSWER_STRING_BYTES;

    use super::*;
    use crate::response_size::fits_into_response;

    #[test]
    fn a_body_of_quotes_fits_only_if_its_string_does() {
        assert!(fits_into_response(&"x".repeat(4 * 1024 * 1024)));
        assert!(!fits_into_response(&r#"\""#.repeat(1_950_000)));
        let largest = "x".repeat(MAX_ANSWER_STRING_BYTES - 2);
        assert!(fits_into_response(&largest));
        assert!(!fits_into_response(&(largest.clone() + "x")));
        // What the runtime sends, with its longest headers, is what Lambda takes.
        let address = format!("https://example.com/{}", "x".repeat(4_000));
        let mut answer = ApiResponse::raw_json(largest);
        answer.location = Some(address);
        let id = RequestId::new(
            contract::timestamp::Timestamp::from_epoch_seconds(0),
            [0; 8],
        );
        let response = serde_json::to_string(&respond(None, &id, Ok(answer))).unwrap();
        assert!(
            response.len() <= 6 * 1024 * 1024 + 100,
            "{}",
            response.len()
        );
    }
}
