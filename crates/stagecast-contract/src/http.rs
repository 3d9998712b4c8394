//! Bodies of the HTTP API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    routes::HttpRoute,
};

/// The response to `POST /v1/jobs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobCreated {
    /// The id of the new job.
    pub job_id: JobId,
    /// Authorizes its holder to watch and cancel the job. Returned only here.
    pub access_key: AccessKey,
    /// The URL of the WebSocket API, to connect and subscribe to the job.
    pub websocket_url: String,
    /// The URL of the job's snapshot, relative to the HTTP API's address.
    pub status_url: String,
    /// Authorizes an external worker to run the job; present if the job was created with
    /// `?worker=external`. Returned only here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_key: Option<WorkerKey>,
}

/// The query parameter of `POST /v1/jobs` that selects who runs the job.
pub const WORKER_PARAMETER: &str = "worker";

/// The value of [`WORKER_PARAMETER`] that reserves a job for an external worker.
pub const EXTERNAL_WORKER: &str = "external";

/// The header of `POST /v1/jobs` with the client's name of the creation, so that a repeated request creates
/// no second job: the
/// [IETF draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// The response to `DELETE /v1/jobs/{job_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelAccepted {
    /// The job.
    pub job_id: JobId,
    /// Always true. The job ends as soon as its stage checks for a cancellation.
    pub cancel_requested: bool,
}

/// The body of an error response of the HTTP API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// The error.
    pub error: HttpError,
}

/// An error of the HTTP API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HttpError {
    /// The error code, for programs.
    pub code: HttpErrorCode,
    /// What is wrong and how to correct it, in English.
    pub message: String,
    /// The request id, to find the request in the logs.
    pub request_id: RequestId,
    /// Additional data of some codes, such as the limit or the accepted types.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

macro_rules! http_errors {
    ($(#[doc = $documentation:literal] $variant:ident = $status:literal,)*) => {
        /// The codes of HTTP errors; each has one HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum HttpErrorCode {
            $(#[doc = $documentation] $variant,)*
        }

        impl HttpErrorCode {
            /// The code's description in OpenAPI: the first sentence of its documentation.
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
    /// The body has an accepted type but invalid content.
    InvalidInput = 400,
    /// The path contains no valid job id.
    InvalidJobId = 400,
    /// A query parameter has an invalid value.
    InvalidParameter = 400,
    /// The `Idempotency-Key` is too short, too long, or has invalid characters.
    InvalidIdempotencyKey = 400,
    /// The body is not JSON.
    InvalidJson = 400,
    /// A field of the body is missing or invalid.
    InvalidBody = 400,
    /// The event's `type` does not exist.
    UnknownType = 400,
    /// The claim did not declare the stage.
    UnknownStage = 400,
    /// The key is missing or wrong, or the job does not exist.
    Forbidden = 403,
    /// The route does not exist.
    NotFound = 404,
    /// The job has no results, or none yet.
    NoResults = 404,
    /// The job has ended and can no longer change.
    JobAlreadyFinished = 409,
    /// The job is run by the pipeline, not by an external worker.
    NotExternal = 409,
    /// Another worker holds the job's lease.
    JobHeld = 409,
    /// The epoch is not that of the job's current claim.
    LeaseLost = 409,
    /// `after_seq` or the events do not match the job's durable messages.
    SeqConflict = 409,
    /// The stage has already finished.
    StageFinished = 409,
    /// The cancellation of the job was not requested.
    NotCancelled = 409,
    /// The body exceeds the size limit.
    BodyTooLarge = 413,
    /// The body has none of the accepted types.
    UnsupportedMediaType = 415,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused = 422,
    /// An internal error.
    Internal = 500,
    /// The request conflicted with another one for the same job; send it again.
    ConflictRetry = 503,
}

impl HttpRoute {
    /// The error codes that the route can return, without API Gateway's own errors.
    pub const fn errors(self) -> &'static [HttpErrorCode] {
        use HttpErrorCode as Code;
        match self {
            Self::CreateJob => &[
                Code::EmptyBody,
                Code::InvalidInput,
                Code::InvalidParameter,
                Code::InvalidIdempotencyKey,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
                Code::IdempotencyKeyReused,
                Code::Internal,
                Code::ConflictRetry,
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
