//! Answers, good and bad.

use aws_lambda_events::{apigw::ApiGatewayV2httpResponse, encodings::Body};
use contract::{
    http::{ErrorBody, HttpError, HttpErrorCode},
    ids::RequestId,
};
use handlers_core::{aws::SendError, cancellation::CancelError, stores::StoreError};
use lambda_runtime::tower::BoxError;
use serde::Serialize;
use serde_json::{Map, Value};

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: HttpErrorCode,
    message: String,
    details: Map<String, Value>,
    /// What only the log may say.
    cause: Option<BoxError>,
}

impl Problem {
    pub(crate) fn new(code: HttpErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            cause: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn ours(cause: impl Into<BoxError>) -> Self {
        let mut problem = Self::new(
            HttpErrorCode::Internal,
            "the request could not be served; try again, or ask about its request_id",
        );
        problem.cause = Some(cause.into());
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::ours(error)
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        Self::ours(error)
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        Self::ours(error)
    }
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    body: String,
    location: Option<String>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(Problem::ours)?;
        Ok(Self {
            status,
            body,
            location: None,
        })
    }

    /// An answer whose body is JSON already.
    pub(crate) fn raw_json(body: String) -> Self {
        Self {
            status: 200,
            body,
            location: None,
        }
    }

    /// The same request, at another address.
    pub(crate) fn elsewhere(address: String) -> Self {
        Self {
            status: 307,
            body: String::new(),
            location: Some(address),
        }
    }
}

/// The response of the function.
pub(crate) fn respond(
    request_id: &RequestId,
    outcome: Result<Answer, Problem>,
) -> ApiGatewayV2httpResponse {
    let (status, body, location) = match outcome {
        Ok(answer) => (answer.status, answer.body, answer.location),
        Err(problem) => {
            let code = problem.code;
            if let Some(cause) = &problem.cause {
                tracing::error!(?code, %cause, "a request could not be served");
            } else {
                tracing::info!(?code, message = problem.message, "refused");
            }
            let body = ErrorBody {
                error: HttpError {
                    code,
                    message: problem.message,
                    request_id: request_id.clone(),
                    details: problem.details,
                },
            };
            (
                code.status(),
                serde_json::to_string(&body).unwrap_or_default(),
                None,
            )
        }
    };
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    response.body = Some(Body::Text(body));
    let headers = [
        ("content-type", Some("application/json".to_owned())),
        // Snapshots change, and nobody but the one with the key may see them.
        ("cache-control", Some("no-store".to_owned())),
        ("x-request-id", Some(request_id.to_string())),
        ("location", location),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers.insert(name, value);
        }
    }
    response
}
