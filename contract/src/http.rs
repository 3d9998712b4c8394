//! Bodies of the HTTP API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    routes::HttpRoute,
};

/// The answer to `POST /v1/jobs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobCreated {
    /// The new job.
    pub job_id: JobId,
    /// What opens it. Shown this once.
    pub access_key: AccessKey,
    /// Where to connect and subscribe.
    pub websocket_url: String,
    /// Where to ask for its snapshot, relative to the HTTP API's address.
    pub status_url: String,
    /// What lets a worker of its own run the job, when the job was made for one. Shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_key: Option<WorkerKey>,
}

/// The query parameter of `POST /v1/jobs` that says who runs the job.
pub const WORKER_PARAMETER: &str = "worker";

/// The value of [`WORKER_PARAMETER`] that keeps a job for a worker of its own.
pub const EXTERNAL_WORKER: &str = "external";

/// The answer to `DELETE /v1/jobs/{job_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelAccepted {
    /// The job.
    pub job_id: JobId,
    /// Always true: the job ends as soon as its stage looks.
    pub cancel_requested: bool,
}

/// Why a request was not done, as the HTTP API answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// The error.
    pub error: HttpError,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    ($(#[doc = $documentation:literal] $variant:ident = $status:literal,)*) => {
        /// Why a request was not done; each code has one HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum HttpErrorCode {
            $(#[doc = $documentation] $variant,)*
        }

        impl HttpErrorCode {
            /// What the code says, in a sentence.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $documentation.trim_ascii(),)*
                }
            }

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
    /// The body has an accepted type, but not the content that the pipeline needs.
    InvalidInput = 400,
    /// The path does not hold a job id.
    InvalidJobId = 400,
    /// A query parameter has a value that it cannot have.
    InvalidParameter = 400,
    /// The body is not JSON.
    InvalidJson = 400,
    /// A field of the body is missing, or cannot have its value.
    InvalidBody = 400,
    /// There is no event with that `type`.
    UnknownType = 400,
    /// The claim has not named that stage.
    UnknownStage = 400,
    /// The key is missing or wrong, or there is no such job.
    Forbidden = 403,
    /// There is no such route.
    NotFound = 404,
    /// The job has no results (yet).
    NoResults = 404,
    /// The job has ended; nothing can be done to it any more.
    JobAlreadyFinished = 409,
    /// The job is the pipeline's, not a worker's of its own.
    NotExternal = 409,
    /// Another worker has the job.
    JobHeld = 409,
    /// The job has no claim with that epoch (yet), or has a later one.
    LeaseLost = 409,
    /// The job's durable messages are not what the post takes them for.
    SeqConflict = 409,
    /// The stage has finished already.
    StageFinished = 409,
    /// Nobody has asked the job to stop.
    NotCancelled = 409,
    /// The body is over the limit.
    BodyTooLarge = 413,
    /// The body is of none of the types that jobs are made from.
    UnsupportedMediaType = 415,
    /// The fault is ours.
    Internal = 500,
    /// The request met another one at the same job; it can be repeated as it is.
    ConflictRetry = 503,
}

impl HttpRoute {
    /// The errors that the route answers with. API Gateway's own are not among them.
    pub const fn errors(self) -> &'static [HttpErrorCode] {
        use HttpErrorCode as Code;
        match self {
            Self::CreateJob => &[
                Code::EmptyBody,
                Code::InvalidInput,
                Code::InvalidParameter,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
                Code::Internal,
            ],
            Self::GetJob => &[Code::InvalidJobId, Code::Forbidden, Code::Internal],
            Self::GetResults => &[
                Code::InvalidJobId,
                Code::Forbidden,
                Code::NoResults,
                Code::Internal,
            ],
            Self::CancelJob => &[
                Code::InvalidJobId,
                Code::Forbidden,
                Code::JobAlreadyFinished,
                Code::Internal,
            ],
            Self::ClaimJob => &[
                Code::InvalidJobId,
                Code::InvalidJson,
                Code::InvalidBody,
                Code::Forbidden,
                Code::JobAlreadyFinished,
                Code::NotExternal,
                Code::JobHeld,
                Code::LeaseLost,
                Code::SeqConflict,
                Code::BodyTooLarge,
                Code::Internal,
                Code::ConflictRetry,
            ],
            Self::GetInput => &[
                Code::InvalidJobId,
                Code::Forbidden,
                Code::NotExternal,
                Code::Internal,
            ],
            Self::PostEvents => &[
                Code::InvalidJobId,
                Code::InvalidJson,
                Code::InvalidBody,
                Code::UnknownType,
                Code::UnknownStage,
                Code::Forbidden,
                Code::JobAlreadyFinished,
                Code::NotExternal,
                Code::LeaseLost,
                Code::SeqConflict,
                Code::StageFinished,
                Code::NotCancelled,
                Code::BodyTooLarge,
                Code::Internal,
                Code::ConflictRetry,
            ],
        }
    }
}
