//! The error type of the client.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a request, an upload or a watch has failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service rejected a request.
    #[error(transparent)]
    Rejected(Box<Rejection>),
    /// No response was received, also after retries.
    #[error("cannot reach {url}: {cause}; check the connection and the address")]
    Unreachable {
        /// The address without its query, which may contain a signature.
        url: String,
        /// The error of the connection.
        cause: String,
    },
    /// An address cannot be used.
    #[error(
        "'{url}' is not an address of the service: {cause}; give one such as https://api.example.com"
    )]
    InvalidUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A response is not what the protocol describes: another service, or a proxy, may have sent it.
    #[error("{url} sent a response that is not of Stagecast: {cause}; check the address")]
    UnexpectedResponse {
        /// The address without its query.
        url: String,
        /// What is wrong with the response.
        cause: String,
    },
    /// A file cannot be read or written.
    #[error("the file {} cannot be used: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: String,
    },
    /// The input of an upload is not the one that the job was created for.
    #[error(
        "the input has {actual} bytes and the job expects {expected}; give the input that the upload was started with"
    )]
    WrongInput {
        /// The size that the job was created with, in bytes.
        expected: u64,
        /// The size of the input, in bytes.
        actual: u64,
    },
    /// There is no token: the function of [`Tokens`](crate::Tokens) has failed.
    #[error("there is no token for the request: {cause}")]
    NoToken {
        /// The error of the function.
        cause: String,
    },
    /// A value cannot be written as JSON.
    #[error("{what} cannot be written as JSON: {cause}")]
    Unwritable {
        /// The value, such as `parameters`.
        what: &'static str,
        /// The error of the serializer.
        cause: String,
    },
    /// Results are not of the type that the caller expects.
    #[error("the results of the job cannot be read: {cause}")]
    UnreadableResults {
        /// The error of the deserializer.
        cause: String,
    },
}

/// A response with which the service rejects a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rejection {
    /// The HTTP status; none for an error of the WebSocket API.
    pub status: Option<u16>,
    /// The code for programs, such as `forbidden`; none in a response of API Gateway or a proxy.
    pub code: Option<String>,
    /// What is wrong and how to correct it.
    pub message: String,
    /// The id of the request in the service's logs.
    pub request_id: Option<String>,
    /// Additional fields of some codes, such as the limit that was exceeded.
    pub details: Map<String, Value>,
    /// The time after which the request may be repeated, if the service has named one.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match (&self.code, self.status) {
            (Some(code), _) => write!(formatter, " ({code})"),
            (None, Some(status)) => write!(formatter, " (HTTP status {status})"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for Rejection {}

impl Error {
    /// The code for programs with which the service rejected the request, such as `forbidden`.
    pub fn code(&self) -> Option<&str> {
        self.rejection()?.code.as_deref()
    }

    /// The HTTP status of the response.
    pub fn status(&self) -> Option<u16> {
        self.rejection()?.status
    }

    /// The service's response, if it rejected the request.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Whether the same request may succeed later: nothing was received, or the service is throttled, busy or
    /// faulty.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Rejected(rejection) => rejection.is_transient(),
            _ => false,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::File {
            path: path.into(),
            cause: error.to_string(),
        }
    }
}

impl Rejection {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self.status {
            Some(status) => matches!(status, 408 | 429 | 500..),
            None => self.code.as_deref() == Some("internal"),
        }
    }

    /// Reads the body of an error response: Stagecast's, API Gateway's, which has only a `message`, or anything
    /// else.
    pub fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Fields,
        }
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            code: Option<String>,
            #[serde(default, alias = "Message")]
            message: Option<String>,
            #[serde(default)]
            request_id: Option<String>,
            #[serde(flatten)]
            details: Map<String, Value>,
        }
        let fields = serde_json::from_slice::<Body>(body)
            .map(|body| body.error)
            .or_else(|_| serde_json::from_slice::<Fields>(body));
        let fields = fields.unwrap_or(Fields {
            code: None,
            message: None,
            request_id: None,
            details: Map::new(),
        });
        Self {
            status: Some(status),
            code: fields.code,
            message: fields
                .message
                .unwrap_or_else(|| format!("the service answered with the HTTP status {status}")),
            request_id: fields.request_id,
            details: fields.details,
            retry_after,
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_the_service_has_its_code_and_details() {
        let body = br#"{"error":{"code":"body_too_large","message":"too large","request_id":"req_1_a","limit":4}}"#;
        let error = Error::from(Rejection::read(413, body, None));
        assert_eq!(error.code(), Some("body_too_large"));
        assert_eq!(error.status(), Some(413));
        assert_eq!(error.to_string(), "too large (body_too_large)");
        let rejection = error.rejection().expect("a rejection");
        assert_eq!(rejection.request_id.as_deref(), Some("req_1_a"));
        assert_eq!(rejection.details["limit"], 4);
        assert!(!error.is_transient());
    }

    #[test]
    fn other_bodies_have_a_message_and_no_code() {
        for (body, message) in [
            (
                &br#"{"message":"Too Many Requests"}"#[..],
                "Too Many Requests",
            ),
            (br#"{"Message":"slow down"}"#, "slow down"),
            (b"<html>", "the service answered with the HTTP status 429"),
            (b"[]", "the service answered with the HTTP status 429"),
            (b"", "the service answered with the HTTP status 429"),
        ] {
            let rejection = Rejection::read(429, body, None);
            assert_eq!(
                (rejection.message.as_str(), rejection.code.as_ref()),
                (message, None)
            );
            assert!(rejection.is_transient());
        }
    }

    #[test]
    fn client_errors_are_final_and_server_errors_are_not() {
        let is_transient = |status| Rejection::read(status, b"", None).is_transient();
        assert!(
            [408, 429, 500, 503, 504]
                .map(is_transient)
                .iter()
                .all(|it| *it)
        );
        assert!(
            ![400, 401, 403, 404, 409, 413]
                .map(is_transient)
                .iter()
                .any(|it| *it)
        );
    }
}
