//! Responses and errors of the HTTP API.

use aws_lambda_events::{apigw::ApiGatewayV2httpResponse, encodings::Body};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use stagecast_contract::{
    http::{ErrorBody, HttpError, HttpErrorCode},
    ids::RequestId,
    routes::HttpRoute,
};

use crate::error::HandlerError;

/// The `retry-after` of a 503, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The error of a request of the HTTP API.
pub type ApiError = HandlerError<HttpErrorCode>;

/// The response to a request of the HTTP API, or the error that it receives.
pub type ApiResult = Result<ApiResponse, ApiError>;

/// A response that is not an error.
#[derive(Debug)]
pub struct ApiResponse {
    status: u16,
    body: Body,
    content_type: String,
    location: Option<String>,
    is_repeated: bool,
    retry_after: Option<u32>,
    websocket_url: Option<String>,
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
            is_repeated: false,
            retry_after: None,
            websocket_url: None,
        }
    }

    /// A response with status 204. The client should repeat the request after this time, in seconds.
    ///
    /// Its body is an empty string: emulators of API Gateway answer 500 to `null`.
    pub fn nothing_yet(retry_after: u32) -> Self {
        Self {
            status: 204,
            content_type: String::new(),
            ..Self::raw_json(String::new()).with_retry_after(Some(retry_after))
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

    /// The same response, marked as that of an earlier request with the same idempotency key.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.is_repeated = true;
        self
    }

    /// The same response, with the time after which the client should repeat the request, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: Option<u32>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// The same response, with the URL of the WebSocket API in a header: a response without a body has no other place.
    #[must_use]
    pub fn with_websocket_url(mut self, url: String) -> Self {
        self.websocket_url = Some(url);
        self
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
    result: ApiResult,
) -> ApiGatewayV2httpResponse {
    let answer = result.unwrap_or_else(|error| error_response(route, request_id, error));
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(answer.status);
    if let Body::Binary(bytes) = &answer.body {
        response.is_base64_encoded = true;
        response.body = Some(Body::Text(BASE64_STANDARD.encode(bytes)));
    } else {
        response.body = Some(answer.body);
    }
    // A 503 asks the client to retry.
    let retry_after = (answer.status == 503).then_some(RETRY_AFTER_SECONDS);
    let retry_after = answer.retry_after.or(retry_after);
    let headers = [
        (
            "content-type",
            Some(answer.content_type).filter(|content_type| !content_type.is_empty()),
        ),
        // Snapshots change, and only clients with the key may read them.
        ("cache-control", Some("no-store".to_owned())),
        ("x-request-id", Some(request_id.to_string())),
        ("location", answer.location),
        (
            "retry-after",
            retry_after.map(|seconds| seconds.to_string()),
        ),
        (
            "idempotency-replayed",
            answer.is_repeated.then(|| "true".to_owned()),
        ),
        ("websocket-url", answer.websocket_url),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers.insert(name, value);
        }
    }
    response
}

fn error_response(
    route: Option<HttpRoute>,
    request_id: &RequestId,
    error: ApiError,
) -> ApiResponse {
    let code = error.code();
    debug_assert!(
        route.is_none_or(|route| route.errors().contains(&code)),
        "{route:?} answers with {code:?}: add it to HttpRoute::errors"
    );
    let client_error = error.into_client_error(request_id.as_str());
    let retry_after = client_error.details.get("retry_after_seconds");
    let retry_after = retry_after.and_then(serde_json::Value::as_u64);
    let retry_after = retry_after.and_then(|seconds| u32::try_from(seconds).ok());
    let body = ErrorBody {
        error: HttpError {
            code,
            message: client_error.message,
            request_id: request_id.clone(),
            details: client_error.details,
        },
    };
    ApiResponse {
        status: route.map_or(code.status(), |route| route.status_of(code)),
        retry_after,
        ..ApiResponse::raw_json(serde_json::to_string(&body).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{http::HttpErrorCode, limits::MAX_RESPONSE_STRING_BYTES};

    use super::*;
    use crate::response_size::fits_into_response;

    #[test]
    fn response_without_content_has_an_empty_string_as_body() {
        let id = RequestId::new(
            stagecast_contract::timestamp::Timestamp::from_epoch_seconds(0),
            [0; 8],
        );
        let response = respond(None, &id, Ok(ApiResponse::nothing_yet(5)));
        let response = serde_json::to_value(&response).unwrap();
        assert_eq!(response["statusCode"], 204);
        assert_eq!(response["body"], "");
        assert_eq!(response["headers"]["content-type"], serde_json::Value::Null);
        assert_eq!(response["headers"]["retry-after"], "5");
    }

    #[test]
    fn wait_of_an_error_is_the_header_retry_after() {
        let id = RequestId::new(
            stagecast_contract::timestamp::Timestamp::from_epoch_seconds(0),
            [0; 8],
        );
        let error = ApiError::new(HttpErrorCode::TokenKeysUnavailable, "later")
            .with("retry_after_seconds", 7);
        let response = respond(Some(HttpRoute::ListJobs), &id, Err(error));
        let response = serde_json::to_value(&response).unwrap();
        assert_eq!(response["statusCode"], 503);
        assert_eq!(response["headers"]["retry-after"], "7");
    }

    #[test]
    fn body_fits_only_if_its_json_string_does() {
        assert!(fits_into_response(&"x".repeat(4 * 1024 * 1024)));
        assert!(!fits_into_response(&r#"\""#.repeat(1_950_000)));
        let largest = "x".repeat(MAX_RESPONSE_STRING_BYTES - 2);
        assert!(fits_into_response(&largest));
        assert!(!fits_into_response(&(largest.clone() + "x")));
        // With its longest headers, the runtime's response is within Lambda's limit.
        let address = format!("https://example.com/{}", "x".repeat(4_000));
        let mut answer = ApiResponse::raw_json(largest);
        answer.location = Some(address);
        let id = RequestId::new(
            stagecast_contract::timestamp::Timestamp::from_epoch_seconds(0),
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
