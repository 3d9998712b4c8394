//! Bodies of the HTTP API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{AccessKey, JobId, RequestId};

/// The answer to `POST /v1/jobs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobCreated {
    /// The new job.
    pub job_id: JobId,
    /// What opens it. Shown this once.
    pub access_key: AccessKey,
    /// Where to connect and subscribe.
    pub websocket_url: String,
    /// Where to ask for its snapshot, relative to the HTTP API's address.
    pub status_url: String,
}

/// The answer to `DELETE /v1/jobs/{job_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAccepted {
    /// The job.
    pub job_id: JobId,
    /// Always true: the job ends as soon as its stage looks.
    pub cancel_requested: bool,
}

/// Why a request was not done, as the HTTP API answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: HttpError,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpError {
    /// A word that programs can look at.
    pub code: HttpErrorCode,
    /// What is wrong and the way out, for a person.
    pub message: String,
    /// The id to ask about.
    pub request_id: RequestId,
    /// Where it helps: the limit, the types that are taken.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

macro_rules! http_errors {
    ($($(#[$documentation:meta])* $variant:ident = $status:literal,)*) => {
        /// Why a request was not done; each code has one HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum HttpErrorCode {
            $($(#[$documentation])* $variant,)*
        }

        impl HttpErrorCode {
            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }
        }
    };
}

http_errors! {
    /// The body is empty.
    EmptyBody = 400,
    /// The path does not hold a job id.
    InvalidJobId = 400,
    /// The access key is missing or wrong, or there is no such job.
    Forbidden = 403,
    /// There is no such route.
    NotFound = 404,
    /// The job has no results (yet).
    NoResults = 404,
    /// The job has ended; there is nothing to cancel.
    JobAlreadyFinished = 409,
    /// The body is over the limit.
    BodyTooLarge = 413,
    /// The body is neither PNG nor JPEG.
    UnsupportedMediaType = 415,
    /// The fault is ours.
    Internal = 500,
}
