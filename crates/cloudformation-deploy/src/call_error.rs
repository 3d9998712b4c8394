//! A failed call to AWS: the attempt, the answer, and the next step.

use std::{error::Error, fmt};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudformation::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

/// A failed call to AWS.
#[derive(Debug)]
pub struct CallError {
    /// What was attempted, to be preceded by "cannot".
    pub attempt: String,
    /// The kind of failure.
    pub kind: CallErrorKind,
    /// AWS's error code, if AWS answered.
    pub code: Option<String>,
    /// AWS's message, or the reason why there was no answer.
    pub answer: String,
    request_id: Option<String>,
}

/// The kind of failure, as far as it decides about the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// There are no credentials.
    NoCredentials,
    /// A source of credentials failed.
    BrokenCredentials,
    /// The credentials have expired.
    ExpiredCredentials,
    /// AWS does not accept the credentials.
    UnknownCredentials,
    /// The credentials do not allow the call.
    Denied,
    /// AWS throttled the call, and all its retries.
    Throttled,
    /// There was no connection or no answer in time.
    Unreachable,
    /// The endpoint does not implement the service.
    NoService,
    /// Any other failure.
    Other,
}

impl CallErrorKind {
    fn of_code(code: &str) -> Self {
        match code {
            "ExpiredToken"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "TokenRefreshRequired" => Self::ExpiredCredentials,
            "AuthFailure"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => Self::UnknownCredentials,
            "AccessDenied"
            | "AccessDeniedException"
            | "AllAccessDisabled"
            | "UnauthorizedOperation" => Self::Denied,
            "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException" => Self::Throttled,
            _ => Self::Other,
        }
    }

    /// The next step, where it follows from the kind alone.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::NoCredentials => Some(
                "give credentials: `aws login` or `aws sso login`, a profile of \
                 ~/.aws/config, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            Self::BrokenCredentials => Some(
                "fix the profile in ~/.aws/config, sign in again (`aws login` or `aws sso login`), or \
                 choose another profile",
            ),
            Self::ExpiredCredentials => Some(
                "sign in again (`aws login` or `aws sso login`, or new keys in the environment), \
                 then run the same command again",
            ),
            Self::UnknownCredentials => Some(
                "check that the keys are right and active, and that the region is enabled for the \
                 account",
            ),
            Self::Denied => Some("request the permission that is named, or use other credentials"),
            Self::Throttled => Some(
                "wait a minute, then run the same command again; all users of the account share its \
                 limit",
            ),
            Self::Unreachable => Some(
                "check that the region exists, that the endpoint URL is right (AWS_ENDPOINT_URL), and \
                 that the network works",
            ),
            Self::NoService | Self::Other => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempt,
            kind,
            code,
            answer,
            request_id,
        } = self;
        write!(formatter, "cannot {attempt}")?;
        match code {
            Some(code) => write!(formatter, "\n  AWS answers: {code}: {answer}")?,
            None => write!(formatter, "\n  reason: {answer}")?,
        }
        if let Some(id) = request_id {
            write!(formatter, " (request {id})")?;
        }
        match kind.advice() {
            Some(advice) => write!(formatter, "\n  help: {advice}"),
            None => Ok(()),
        }
    }
}

impl Error for CallError {}

/// Adds the attempt to the error of a call.
pub trait Attempt<T> {
    /// `what` completes "cannot …".
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T, CallError>;
}

impl<T, E> Attempt<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
{
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T, CallError> {
        self.map_err(|error| CallError::new(what(), &error))
    }
}

impl CallError {
    fn new<E>(attempt: String, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
    {
        if let Some(service) = error.as_service_error() {
            let status = error
                .raw_response()
                .map(|response| response.status().as_u16());
            // The answer to HEAD has no body, and so no error code.
            let code = service.code().map_or_else(
                || status.map_or_else(String::new, |status| format!("HTTP {status}")),
                str::to_owned,
            );
            let kind = match (CallErrorKind::of_code(&code), status) {
                (CallErrorKind::Other, Some(403)) if service.code().is_none() => {
                    CallErrorKind::Denied
                }
                (CallErrorKind::Other, Some(501)) => CallErrorKind::NoService,
                (kind, _) => kind,
            };
            return Self {
                attempt,
                kind,
                answer: service
                    .message()
                    .map_or_else(|| default_message(kind).to_owned(), str::to_owned),
                code: Some(code),
                request_id: service.request_id().map(str::to_owned),
            };
        }
        let (kind, answer) = match credentials_error(error) {
            Some(error @ CredentialsError::CredentialsNotLoaded(_)) => {
                (CallErrorKind::NoCredentials, innermost(error))
            }
            Some(error) => (CallErrorKind::BrokenCredentials, chain(error)),
            None => match error {
                SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                    (CallErrorKind::Unreachable, chain(error))
                }
                _ => (CallErrorKind::Other, DisplayErrorContext(error).to_string()),
            },
        };
        Self {
            attempt,
            kind,
            code: None,
            answer,
            request_id: None,
        }
    }

    /// A call that AWS answered with 200 and a list of errors.
    pub(crate) fn refused(attempt: String, code: Option<&str>, answer: Option<&str>) -> Self {
        let code = code.unwrap_or_default();
        Self {
            attempt,
            kind: CallErrorKind::of_code(code),
            code: Some(code.to_owned()),
            answer: answer.unwrap_or("AWS gives no reason").to_owned(),
            request_id: None,
        }
    }

    /// Whether AWS answered with this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

/// The message for an answer without one.
fn default_message(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::NoService => "this endpoint does not have the service",
        _ => "AWS gives no reason",
    }
}

/// An error and its causes, the outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = current.source();
        Some(current)
    })
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The innermost cause of an error.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// The causes, joined; a cause that only repeats the next one is left out.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if let Some(last) = parts.last_mut()
            && last.ends_with(&text)
        {
            continue;
        }
        parts.push(text);
    }
    parts.join(": ")
}
