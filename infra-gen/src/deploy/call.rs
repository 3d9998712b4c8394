//! A call to AWS that did not work: what was tried, what AWS answered, what to do next.

use std::{error::Error, fmt};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudformation::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

/// A call to AWS that did not work.
#[derive(Debug)]
pub struct CallError {
    /// What was tried, as in "cannot …".
    pub attempt: String,
    /// What kind of failure it was.
    pub kind: CallErrorKind,
    /// AWS's code for it, if AWS was reached.
    pub code: Option<String>,
    /// What AWS said, or why it could not be asked.
    pub answer: String,
    request_id: Option<String>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// There are no credentials.
    NoCredentials,
    /// There are credentials, but they could not be had.
    BrokenCredentials,
    /// The credentials were good once.
    ExpiredCredentials,
    /// AWS does not know the credentials.
    UnknownCredentials,
    /// The credentials do not allow it.
    Denied,
    /// There were too many calls, even after waiting.
    Throttled,
    /// Nobody was there.
    Unreachable,
    /// The endpoint has no such service.
    NoService,
    /// Something else.
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

    /// What to do next, where that follows from the kind alone.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::NoCredentials => Some(
                "give credentials: `aws login` or `aws sso login`, --profile NAME for a profile \
                 of ~/.aws/config, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            Self::BrokenCredentials => Some(
                "mend the profile in ~/.aws/config, sign in again (`aws login` or `aws sso \
                 login`), or choose another with --profile",
            ),
            Self::ExpiredCredentials => Some(
                "sign in again (`aws login` or `aws sso login`, or new keys in the environment), \
                 then run the same command again",
            ),
            Self::UnknownCredentials => Some(
                "see that the keys are right and active, and that the region is enabled for the \
                 account",
            ),
            Self::Denied => Some(
                "ask for the permission that is named, or use other credentials with --profile",
            ),
            Self::Throttled => Some(
                "wait a minute, then run the same command again; others use the same account's \
                 limit",
            ),
            Self::Unreachable => Some(
                "see that the region exists (--region), that --endpoint-url or AWS_ENDPOINT_URL \
                 are what they should be, and that the network is up",
            ),
            Self::NoService => Some(
                "`cargo dev` runs the functions from the template, so there is nothing to deploy to it, \
                 and `cargo dev --json` prints its URLs. For CloudFormation, leave out --endpoint-url \
                 and AWS_ENDPOINT_URL, or give the URL of AWS or of an emulator that has it",
            ),
            Self::Other => None,
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
            None => write!(formatter, "\n  the reason: {answer}")?,
        }
        if let Some(id) = request_id {
            write!(formatter, " (request {id})")?;
        }
        match kind.advice() {
            Some(advice) => write!(formatter, "\n  what to do: {advice}"),
            None => Ok(()),
        }
    }
}

impl Error for CallError {}

/// Says what a call was for, if it did not work.
pub(super) trait Attempt<T> {
    /// What was tried, as in "cannot …".
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
            // An answer to HEAD has no body to say it in.
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
                    .map_or_else(|| silent(kind).to_owned(), str::to_owned),
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

    /// A call that AWS answered, but whose answer says that it was not done.
    pub(super) fn refused(attempt: String, code: Option<&str>, answer: Option<&str>) -> Self {
        let code = code.unwrap_or_default();
        Self {
            attempt,
            kind: CallErrorKind::of_code(code),
            code: Some(code.to_owned()),
            answer: answer.unwrap_or("it gives no reason").to_owned(),
            request_id: None,
        }
    }

    /// Whether AWS answered with this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

/// What is said for an answer that has no text.
fn silent(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::NoService => "this endpoint does not have the service",
        _ => "it gives no reason",
    }
}

/// The causes of an error, from the outermost inwards.
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

pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// The causes in a row, without those that only repeat the next.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
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
