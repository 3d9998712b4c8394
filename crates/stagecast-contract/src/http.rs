//! Bodies of the HTTP API.

use std::collections::BTreeMap;

use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    messages::{JobSnapshot, JobStatus},
    routes::HttpRoute,
    timestamp::Timestamp,
};
#[cfg(feature = "schema")]
use crate::{
    limits::MAX_RETRY_AFTER_SECONDS,
    messages::{JobCancelled, JobComplete, JobFailed, StageComplete},
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
    /// `?worker=external`. Returned only here. The key of a job of a queue is in the response to its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_key: Option<WorkerKey>,
    /// How to upload the input; present if the job's description announced one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
}

/// What is missing of a job's input, and where to send it. The input is cut into parts of `part_size` bytes;
/// each missing part is sent by an HTTP PUT. Then `POST /v1/jobs/{job_id}/upload` queues the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Upload {
    /// Size of the whole input, in bytes.
    pub size: u64,
    /// Size of each part except the last one, in bytes.
    pub part_size: u64,
    /// The number of parts of the whole input.
    pub part_count: u32,
    /// The missing parts in their order, at most 100. Empty if none is missing.
    pub parts: Vec<UploadPart>,
    /// If more parts may be missing than `parts` lists: the `after_part` of the request for the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after_part: Option<u32>,
    /// When the URLs of the parts expire. `GET /v1/jobs/{job_id}/upload` returns other ones.
    pub urls_expire_at: Timestamp,
    /// When the job fails with `upload_expired`, unless the upload is complete.
    pub expires_at: Timestamp,
}

/// A part of an input, to be sent by an HTTP PUT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadPart {
    /// The number of the part, from 1.
    pub part: u32,
    /// The first byte of the part within the input, from 0.
    pub offset: u64,
    /// Size of the part, in bytes.
    pub size: u64,
    /// The presigned URL of the PUT. It authorizes its holder to send the part, without a key.
    pub url: String,
    /// The headers of the PUT. The signature covers them, so send exactly these. Browsers send
    /// `content-length` themselves.
    pub headers: BTreeMap<String, String>,
}

/// The query parameter of `GET /v1/jobs/{job_id}/upload` with the number of a part: only later parts are
/// returned.
pub const AFTER_PART_PARAMETER: &str = "after_part";

/// The response to `GET` and `POST /v1/jobs/{job_id}/upload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadState {
    /// The job.
    pub job_id: JobId,
    /// The status of the job.
    pub status: JobStatus,
    /// What is missing of the input; absent once the job has its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
}

/// The query parameter of `GET /v1/jobs/{job_id}/events` with the `seq` of the last durable message that the
/// client has; 0 if it has none.
pub const AFTER_SEQ_PARAMETER: &str = "after_seq";

/// The response to `GET /v1/jobs/{job_id}/events`: the durable messages after `after_seq`, and the state of
/// the job to which they lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsPage {
    /// The job.
    pub job_id: JobId,
    /// Whether the log still contained every message after `after_seq`. If not, `events` is empty; use the
    /// snapshot instead.
    pub recovered: bool,
    /// The durable messages in the order of their `seq`, each byte for byte as the WebSocket API sends it.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<DurableMessage>"))]
    pub events: Vec<RawJson>,
    /// The `after_seq` of the next request.
    pub next_after_seq: u64,
    /// Whether more messages follow that do not fit into this response. Then request them at once.
    pub more: bool,
    /// Seconds until the next request is worthwhile, 0 to 60; also the header `retry-after`. Null when the
    /// job has ended and every message is delivered.
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_RETRY_AFTER_SECONDS)))]
    pub retry_after: Option<u32>,
    /// The state of the job, with all messages up to its `seq`. It is never older than `events`.
    pub snapshot: JobSnapshot,
}

/// A durable message of a job: it is logged before it is sent. `type` selects the variant.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum DurableMessage {
    /// A stage has finished.
    StageComplete(StageComplete),
    /// All stages have finished.
    JobComplete(JobComplete),
    /// The job has failed.
    JobFailed(JobFailed),
    /// The job was cancelled.
    JobCancelled(JobCancelled),
}

/// The response to `GET /v1/jobs`: jobs of an owner, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobsPage {
    /// The snapshots of the jobs, without results and artifacts. There may be fewer than 25 although more jobs follow:
    /// a request examines 100 jobs at most.
    pub jobs: Vec<JobSnapshot>,
    /// The `cursor` of the next request; absent if no jobs follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The query parameter of `GET /v1/jobs` with the owner, who must be that of the token.
pub const OWNER_PARAMETER: &str = "owner";

/// The query parameter of `GET /v1/jobs` with the status of the jobs.
pub const STATUS_PARAMETER: &str = "status";

/// What precedes the name of a label in a query parameter of `GET /v1/jobs`.
pub const LABEL_PARAMETER_PREFIX: &str = "label.";

/// The query parameter of `GET /v1/jobs` with the `next_cursor` of the page before.
pub const CURSOR_PARAMETER: &str = "cursor";

/// The query parameter of `POST /v1/jobs` that selects who runs the job.
pub const WORKER_PARAMETER: &str = "worker";

/// The value of [`WORKER_PARAMETER`] that reserves a job for an external worker.
pub const EXTERNAL_WORKER: &str = "external";

/// The query parameter of `POST /v1/jobs` with the queue from which external workers claim the job.
pub const QUEUE_PARAMETER: &str = "queue";

/// The query parameter of `POST /v1/jobs` with the priority of the job in its queue.
pub const PRIORITY_PARAMETER: &str = "priority";

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
    /// The product does not declare the queue.
    UnknownQueue = 400,
    /// The worker token is missing, unknown, revoked or expired.
    InvalidWorkerToken = 401,
    /// The request needs an owner token, and has none.
    TokenRequired = 401,
    /// The owner token is not valid; `reason` says why.
    InvalidToken = 401,
    /// The key is missing or wrong, or the job does not exist.
    Forbidden = 403,
    /// The owner token does not permit the request: its scopes, job, labels or queues.
    TokenForbidden = 403,
    /// The worker token does not include the queue.
    QueueForbidden = 403,
    /// The route does not exist.
    NotFound = 404,
    /// The job has no results, or none yet.
    NoResults = 404,
    /// The job has no artifact of this name, or not yet.
    NoArtifact = 404,
    /// The job has ended and can no longer change.
    JobAlreadyFinished = 409,
    /// The job's input is not uploaded yet.
    AwaitingInput = 409,
    /// Parts of the input are missing, or it has another size than announced.
    UploadIncomplete = 409,
    /// The job is run by the pipeline, not by an external worker.
    NotExternal = 409,
    /// Another worker holds the job's lease.
    JobHeld = 409,
    /// The job may not start before its `run_at`.
    NotDue = 409,
    /// The epoch is not that of the job's current claim.
    LeaseLost = 409,
    /// `after_seq` or the events do not match the job's durable messages.
    SeqConflict = 409,
    /// The stage has already finished.
    StageFinished = 409,
    /// The cancellation of the job was not requested.
    NotCancelled = 409,
    /// The content of an artifact is not uploaded, or has another size.
    ArtifactNotUploaded = 409,
    /// The job would have more artifacts than the limit.
    TooManyArtifacts = 409,
    /// The queue is empty, and the `listener` of the claim does not exist any more: send `listen` again.
    ListenerGone = 410,
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
    /// The keys of owner tokens cannot be fetched; send the request again after `retry_after_seconds`.
    TokenKeysUnavailable = 503,
}

/// The error codes of `POST /v1/jobs/{job_id}/events`.
const POST_EVENTS_ERRORS: &[HttpErrorCode] = &[
    HttpErrorCode::InvalidJobId,
    HttpErrorCode::InvalidJson,
    HttpErrorCode::InvalidBody,
    HttpErrorCode::UnknownType,
    HttpErrorCode::UnknownStage,
    HttpErrorCode::Forbidden,
    HttpErrorCode::JobAlreadyFinished,
    HttpErrorCode::NotExternal,
    HttpErrorCode::LeaseLost,
    HttpErrorCode::SeqConflict,
    HttpErrorCode::StageFinished,
    HttpErrorCode::NotCancelled,
    HttpErrorCode::ArtifactNotUploaded,
    HttpErrorCode::TooManyArtifacts,
    HttpErrorCode::BodyTooLarge,
    HttpErrorCode::Internal,
    HttpErrorCode::ConflictRetry,
];

impl HttpRoute {
    /// The HTTP status of an error code of this route. It is that of [`HttpErrorCode::status`], but for a queue
    /// in the path that does not exist.
    pub const fn status_of(self, code: HttpErrorCode) -> u16 {
        match (self, code) {
            (Self::ClaimFromQueue, HttpErrorCode::UnknownQueue) => 404,
            (_, code) => code.status(),
        }
    }

    /// The error codes that the route can return, without API Gateway's own errors.
    #[expect(clippy::too_many_lines, reason = "a list for each route")]
    pub const fn errors(self) -> &'static [HttpErrorCode] {
        use HttpErrorCode as Code;
        match self {
            Self::CreateJob => &[
                Code::EmptyBody,
                Code::InvalidInput,
                Code::InvalidParameter,
                Code::InvalidIdempotencyKey,
                Code::InvalidJson,
                Code::InvalidBody,
                Code::UnknownQueue,
                Code::TokenRequired,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::TokenForbidden,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
                Code::IdempotencyKeyReused,
                Code::Internal,
                Code::ConflictRetry,
            ],
            Self::ListJobs => &[
                Code::InvalidParameter,
                Code::TokenRequired,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::TokenForbidden,
                Code::Internal,
            ],
            Self::GetJob => &[
                Code::InvalidJobId,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
                Code::Internal,
            ],
            Self::GetEvents => &[
                Code::InvalidJobId,
                Code::InvalidParameter,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
                Code::Internal,
            ],
            Self::GetResults => &[
                Code::InvalidJobId,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
                Code::NoResults,
                Code::Internal,
            ],
            Self::GetArtifact => &[
                Code::InvalidJobId,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
                Code::NoArtifact,
                Code::Internal,
            ],
            Self::GetUpload => &[
                Code::InvalidJobId,
                Code::InvalidParameter,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
                Code::JobAlreadyFinished,
                Code::Internal,
            ],
            Self::CompleteUpload => &[
                Code::InvalidJobId,
                Code::InvalidInput,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
                Code::JobAlreadyFinished,
                Code::UploadIncomplete,
                Code::UnsupportedMediaType,
                Code::Internal,
                Code::ConflictRetry,
            ],
            Self::CancelJob => &[
                Code::InvalidJobId,
                Code::InvalidToken,
                Code::TokenKeysUnavailable,
                Code::Forbidden,
                Code::TokenForbidden,
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
                Code::NotDue,
                Code::AwaitingInput,
                Code::LeaseLost,
                Code::SeqConflict,
                Code::BodyTooLarge,
                Code::Internal,
                Code::ConflictRetry,
            ],
            Self::ClaimFromQueue => &[
                Code::InvalidJson,
                Code::InvalidBody,
                Code::InvalidWorkerToken,
                Code::QueueForbidden,
                Code::UnknownQueue,
                Code::ListenerGone,
                Code::BodyTooLarge,
                Code::Internal,
                Code::ConflictRetry,
            ],
            Self::ReleaseJob => &[
                Code::InvalidJobId,
                Code::InvalidJson,
                Code::InvalidBody,
                Code::Forbidden,
                Code::JobAlreadyFinished,
                Code::NotExternal,
                Code::LeaseLost,
                Code::BodyTooLarge,
                Code::Internal,
                Code::ConflictRetry,
            ],
            Self::GetInput => &[
                Code::InvalidJobId,
                Code::Forbidden,
                Code::NotExternal,
                Code::LeaseLost,
                Code::Internal,
            ],
            Self::UploadArtifact => &[
                Code::InvalidJobId,
                Code::InvalidJson,
                Code::InvalidBody,
                Code::Forbidden,
                Code::JobAlreadyFinished,
                Code::NotExternal,
                Code::LeaseLost,
                Code::BodyTooLarge,
                Code::Internal,
            ],
            Self::PostEvents => POST_EVENTS_ERRORS,
        }
    }
}
