//! Responses and errors of the HTTP API.

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

/// The `retry-after` of a 503, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The result of a request.
pub type ApiResult = Result<ApiResponse, ApiError>;

/// An error response: its code, its message, and details for programs.
#[derive(Debug)]
pub struct ApiError {
    code: HttpErrorCode,
    message: String,
    details: Map<String, Value>,
    /// The cause, which is logged and not sent.
    cause: Option<BoxError>,
}

impl ApiError {
    /// An error with a message for people.
    pub fn new(code: HttpErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            cause: None,
        }
    }

    /// The error's code.
    pub fn code(&self) -> HttpErrorCode {
        self.code
    }

    /// The error's message for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with a further field for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// An internal error. `cause` is logged and not sent.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        let message = if is_access_denied(&cause.to_string()) {
            "the request could not be served: a policy denies the function a required action, so a \
             retry does not help; the function's log names the action, under this request_id"
        } else {
            "the request could not be served; retry it, or look up its request_id in the function's log"
        };
        let mut error = Self::new(HttpErrorCode::Internal, message);
        error.cause = Some(cause);
        error
    }
}

impl From<InvalidBody> for ApiError {
    fn from(invalid: InvalidBody) -> Self {
        let mut error = Self::new(invalid.code, invalid.message);
        if let Value::Object(details) = invalid.details {
            error.details = details;
        }
        error
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

/// A response that is not an error.
#[derive(Debug)]
pub struct ApiResponse {
    status: u16,
    body: Body,
    content_type: String,
    location: Option<String>,
}

impl ApiResponse {
    /// A response with a JSON body.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(ApiError::internal)?;
        Ok(Self {
            status,
            ..Self::raw_json(body)
        })
    }

    /// A response with status 200 and a body that is JSON text.
    pub fn raw_json(body: String) -> Self {
        Self {
            status: 200,
            body: Body::Text(body),
            content_type: "application/json".to_owned(),
            location: None,
        }
    }

    /// A response with status 200 and a binary body.
    pub fn bytes(bytes: Vec<u8>, content_type: String) -> Self {
        Self {
            body: Body::Binary(bytes),
            content_type,
            ..Self::raw_json(String::new())
        }
    }

    /// A redirect with status 307, which keeps the method.
    pub fn redirect(address: String) -> Self {
        Self {
            status: 307,
            location: Some(address),
            ..Self::raw_json(String::new())
        }
    }
}

/// The response of a function to API Gateway. Errors are logged.
pub fn respond(
    route: Option<HttpRoute>,
    request_id: &RequestId,
    outcome: ApiResult,
) -> ApiGatewayV2httpResponse {
    let answer = outcome.unwrap_or_else(|error| refusal(route, request_id, error));
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(answer.status);
    if let Body::Binary(bytes) = &answer.body {
        response.is_base64_encoded = true;
        response.body = Some(Body::Text(BASE64_STANDARD.encode(bytes)));
    } else {
        response.body = Some(answer.body);
    }
    // A 503 asks the client to retry.
    let retry_after = (answer.status == 503).then(|| RETRY_AFTER_SECONDS.to_string());
    let headers = [
        ("content-type", Some(answer.content_type)),
        // Snapshots change, and only clients with the key may read them.
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

fn refusal(route: Option<HttpRoute>, request_id: &RequestId, error: ApiError) -> ApiResponse {
    let code = error.code;
    debug_assert!(
        route.is_none_or(|route| route.errors().contains(&code)),
        "{route:?} answers with {code:?}: add it to HttpRoute::errors in contract/src/http.rs"
    );
    if let Some(cause) = &error.cause {
        tracing::error!(?code, %cause, "a request could not be served");
    } else {
        // The message is not logged: it quotes the request, in which a key may be at a wrong place.
        tracing::info!(?code, "refused");
    }
    let body = ErrorBody {
        error: HttpError {
            code,
            message: error.message,
            request_id: request_id.clone(),
            details: error.details,
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
    fn body_fits_only_if_its_json_string_does() {
        assert!(fits_into_response(&"x".repeat(4 * 1024 * 1024)));
        assert!(!fits_into_response(&r#"\""#.repeat(1_950_000)));
        let largest = "x".repeat(MAX_ANSWER_STRING_BYTES - 2);
        assert!(fits_into_response(&largest));
        assert!(!fits_into_response(&(largest.clone() + "x")));
        // With its longest headers, the runtime's response is within Lambda's limit.
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
