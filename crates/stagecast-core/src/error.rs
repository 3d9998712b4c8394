//! The error of a request: one type for the HTTP API and the WebSocket API.

use std::fmt::Debug;

use granted_aws::{SendError, is_access_denied};
use lambda_runtime::tower::BoxError;
use serde_json::{Map, Value};
use stagecast_contract::{
    http::HttpErrorCode,
    messages::{ErrorCode, ProtocolError},
    worker::InvalidBody,
};

use crate::{owner_tokens::TokenRefusal, stores::StoreError, unattended::SettleError};

/// The error codes of an API.
pub trait ApiErrorCode: Copy + Debug {
    /// The code of a fault of the service.
    const INTERNAL: Self;
    /// The code of a token that is not valid.
    const INVALID_TOKEN: Self;
    /// The code of a valid token that does not permit the request.
    const TOKEN_FORBIDDEN: Self;
    /// The code of a token whose keys cannot be fetched.
    const TOKEN_KEYS_UNAVAILABLE: Self;

    /// The text that a client receives about a fault of the service. It contains no cause: the log
    /// has it, under `request_id`. A retry does not help when `is_access_denied`.
    fn internal_message(is_access_denied: bool, request_id: &str) -> String;
}

/// The advice when a policy denies the function a call; the name of the request follows.
const ACCESS_DENIED: &str = "a policy denies the function an action that it takes, so another attempt \
                             does not help; the function's log names the action, under";

impl ApiErrorCode for HttpErrorCode {
    const INTERNAL: Self = Self::Internal;
    const INVALID_TOKEN: Self = Self::InvalidToken;
    const TOKEN_FORBIDDEN: Self = Self::TokenForbidden;
    const TOKEN_KEYS_UNAVAILABLE: Self = Self::TokenKeysUnavailable;

    // The body of the response has the field `request_id`.
    fn internal_message(is_access_denied: bool, _request_id: &str) -> String {
        if is_access_denied {
            format!("the request could not be served: {ACCESS_DENIED} this request_id")
        } else {
            "the request could not be served; try again, or ask about its request_id".to_owned()
        }
    }
}

impl ApiErrorCode for ErrorCode {
    const INTERNAL: Self = Self::Internal;
    const INVALID_TOKEN: Self = Self::InvalidToken;
    const TOKEN_FORBIDDEN: Self = Self::TokenForbidden;
    const TOKEN_KEYS_UNAVAILABLE: Self = Self::TokenKeysUnavailable;

    fn internal_message(is_access_denied: bool, request_id: &str) -> String {
        if is_access_denied {
            format!("the message could not be served; {ACCESS_DENIED} {request_id}")
        } else {
            format!("the message could not be served; try again, or ask about {request_id}")
        }
    }
}

/// The reason why a request was not served. `Code` is the error code of its API.
#[derive(Debug)]
pub enum HandlerError<Code> {
    /// The request is at fault, or the state of its job does not allow it. The client receives this.
    Rejected(ClientError<Code>),
    /// The service is at fault. Only the log has the cause.
    Internal(BoxError),
}

/// An error as the client receives it.
#[derive(Debug)]
pub struct ClientError<Code> {
    /// The code, for programs.
    pub code: Code,
    /// What is wrong and what to do next, for people.
    pub message: String,
    /// Further fields for programs: the invalid field, the limit.
    pub details: Map<String, Value>,
}

impl<Code: ApiErrorCode> HandlerError<Code> {
    /// A rejection without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Rejected(ClientError {
            code,
            message: message.into(),
            details: Map::new(),
        })
    }

    /// Adds a field to the details of a rejection.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Self::Rejected(error) = &mut self {
            error.details.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A fault of the service.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::Internal(cause.into())
    }

    /// The code that the client receives.
    pub fn code(&self) -> Code {
        match self {
            Self::Rejected(error) => error.code,
            Self::Internal(_) => Code::INTERNAL,
        }
    }

    /// Logs the error and converts it to what the client receives.
    pub fn into_client_error(self, request_id: &str) -> ClientError<Code> {
        match self {
            Self::Rejected(error) => {
                // The message is not logged: it quotes the request, which may have a key in a wrong
                // place.
                let field = error.details.get("field").map(tracing::field::debug);
                tracing::info!(code = ?error.code, field, "a request was rejected");
                error
            }
            Self::Internal(cause) => {
                tracing::error!(
                    code = ?Code::INTERNAL,
                    %cause,
                    request_id,
                    "a request could not be served",
                );
                ClientError {
                    code: Code::INTERNAL,
                    message: Code::internal_message(
                        is_access_denied(&cause.to_string()),
                        request_id,
                    ),
                    details: Map::new(),
                }
            }
        }
    }
}

impl From<InvalidBody> for HandlerError<HttpErrorCode> {
    fn from(invalid: InvalidBody) -> Self {
        Self::Rejected(ClientError {
            code: invalid.code,
            message: invalid.message,
            details: fields(invalid.details),
        })
    }
}

impl From<ProtocolError> for HandlerError<ErrorCode> {
    fn from(invalid: ProtocolError) -> Self {
        Self::Rejected(ClientError {
            code: invalid.code,
            message: invalid.message,
            details: invalid.details.map(fields).unwrap_or_default(),
        })
    }
}

fn fields(details: Value) -> Map<String, Value> {
    match details {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl<Code: ApiErrorCode> From<StoreError> for HandlerError<Code> {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl<Code: ApiErrorCode> From<TokenRefusal> for HandlerError<Code> {
    fn from(refusal: TokenRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            TokenRefusal::Invalid(reason) => {
                Self::new(Code::INVALID_TOKEN, message).with("reason", reason.name())
            }
            TokenRefusal::InvalidOwner => {
                Self::new(Code::INVALID_TOKEN, message).with("reason", "invalid_owner")
            }
            TokenRefusal::NoKeys => {
                Self::new(Code::INVALID_TOKEN, message).with("reason", "no_keys")
            }
            TokenRefusal::KeysUnavailable(unavailable) => {
                Self::new(Code::TOKEN_KEYS_UNAVAILABLE, message)
                    .with("retry_after_seconds", unavailable.retry_after_seconds)
            }
            TokenRefusal::Scope(scope) => {
                Self::new(Code::TOKEN_FORBIDDEN, message).with("scope", scope.name())
            }
        }
    }
}

impl<Code: ApiErrorCode> From<SendError> for HandlerError<Code> {
    fn from(error: SendError) -> Self {
        Self::internal(error)
    }
}

impl<Code: ApiErrorCode> From<SettleError> for HandlerError<Code> {
    fn from(error: SettleError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DENIED: &str = "service error: unhandled error (AccessDeniedException)";

    fn message<Code: ApiErrorCode>(cause: &str) -> String {
        let reply = HandlerError::<Code>::internal(cause).into_client_error("req_1");
        assert!(reply.details.is_empty(), "{reply:?}");
        reply.message
    }

    #[test]
    fn internal_error_names_the_request_and_hides_the_cause() {
        assert_eq!(
            message::<ErrorCode>("timed out"),
            "the message could not be served; try again, or ask about req_1"
        );
        assert_eq!(
            message::<HttpErrorCode>("timed out"),
            "the request could not be served; try again, or ask about its request_id"
        );
    }

    #[test]
    fn denied_call_is_not_advised_to_be_retried() {
        assert_eq!(
            message::<ErrorCode>(DENIED),
            "the message could not be served; a policy denies the function an action that it takes, \
             so another attempt does not help; the function's log names the action, under req_1"
        );
        assert_eq!(
            message::<HttpErrorCode>(DENIED),
            "the request could not be served: a policy denies the function an action that it takes, \
             so another attempt does not help; the function's log names the action, under this \
             request_id"
        );
    }

    #[test]
    fn rejection_keeps_its_code_its_message_and_its_details() {
        let invalid = ProtocolError::new(ErrorCode::InvalidMessage, "no job_id")
            .with_details(json!({ "field": "job_id" }));
        let error = HandlerError::from(invalid).with("max_bytes", 10);
        assert_eq!(error.code(), ErrorCode::InvalidMessage);
        let reply = error.into_client_error("req_1");
        assert_eq!(reply.message, "no job_id");
        assert_eq!(
            Value::Object(reply.details),
            json!({ "field": "job_id", "max_bytes": 10 })
        );
    }
}
