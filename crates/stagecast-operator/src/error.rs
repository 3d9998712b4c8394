//! Why a command failed.

use aws_sdk_dynamodb::error::DisplayErrorContext;
use granted_aws::{MissingVariable, SendError, is_access_denied};
use stagecast_contract::{ids::JobId, messages::JobStatus};
use stagecast_core::{stores::StoreError, unattended::SettleError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A call to a table or to the bucket failed.
    #[error("{}", shortened(&.0.to_string()))]
    Store(#[from] StoreError),
    /// A message could not be sent to a queue.
    #[error("{}", shortened(&.0.to_string()))]
    Send(#[from] SendError),
    /// Another call failed.
    #[error("{operation} failed: {cause}")]
    Call {
        /// What the call does, with the name of the resource.
        operation: String,
        /// The error of AWS or of the network.
        cause: String,
        /// The error code of AWS, if it answered.
        code: Option<String>,
    },
    /// The stack lacks a resource of this version.
    #[error(transparent)]
    Resource(#[from] MissingVariable),
    /// There is no such job.
    #[error("there is no job {0}: no job had this id, or it has expired")]
    NoJob(JobId),
    /// The job cannot be retried in its state.
    #[error(
        "the job {job} cannot be retried, because it is {}: only a failed or a cancelled job can",
        status.name()
    )]
    NotRetryable {
        /// The job.
        job: JobId,
        /// Its status.
        status: JobStatus,
    },
    /// The job was retried before.
    #[error("the job {job} was retried as {retry} before")]
    AlreadyRetried {
        /// The job.
        job: JobId,
        /// The job that retries it.
        retry: JobId,
    },
    /// The input of the job is not in the bucket.
    #[error(
        "the input of the job {0} is not in the bucket: it was never uploaded completely, or has expired"
    )]
    NoInput(JobId),
    /// The input of the job is too large to be copied by one request.
    #[error(
        "the input of the job {job} has {bytes} bytes: S3 copies at most {} in one request",
        crate::retry::MAX_COPY_BYTES
    )]
    InputTooLarge {
        /// The job.
        job: JobId,
        /// The size of its input.
        bytes: u64,
    },
}

impl From<SettleError> for OperatorError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Store(error) => error.into(),
            SettleError::Send(error) => error.into(),
        }
    }
}

/// The error of a call of the SDK. A macro, because the SDKs have different error types.
macro_rules! call_failed {
    ($operation:expr) => {
        |error| $crate::error::call_error($operation, &error)
    };
}
pub(crate) use call_failed;

/// The error of a call of the SDK.
pub(crate) fn call_error<E, R>(
    operation: impl Into<String>,
    error: &aws_sdk_dynamodb::error::SdkError<E, R>,
) -> OperatorError
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    OperatorError::Call {
        operation: operation.into(),
        code: error
            .as_service_error()
            .and_then(|error| error.code())
            .map(str::to_owned),
        cause: shortened(&DisplayErrorContext(error).to_string()),
    }
}

/// The message of an error of the SDK without the response, which the SDK's debug format adds in brackets.
fn shortened(text: &str) -> String {
    const KINDS: [&str; 5] = [
        " (ServiceError(",
        " (DispatchFailure(",
        " (TimeoutError(",
        " (ResponseError(",
        " (ConstructionFailure(",
    ];
    let ends = KINDS.iter().filter_map(|kind| text.find(kind));
    let end = ends.min().unwrap_or(text.len());
    text[..end].to_owned()
}

impl OperatorError {
    /// The next step, where the error itself does not give it.
    pub fn help(&self) -> Option<&'static str> {
        let cause = match self {
            Self::Store(StoreError::Call { cause, .. })
            | Self::Send(SendError { cause, .. })
            | Self::Call { cause, .. } => cause,
            Self::Store(StoreError::Item(_)) => {
                return Some("use the version of infra-gen that the stack was deployed with");
            }
            Self::Resource(_) => return Some("deploy the stack with this version"),
            Self::NoJob(_) => {
                return Some(
                    "`infra-gen jobs list` shows the jobs; select another stack with --environment, \
                     --stack-name, --name-suffix, --region and --profile",
                );
            }
            Self::NotRetryable { .. } => {
                return Some(
                    "wait until it has ended, or cancel it first: `infra-gen jobs cancel`",
                );
            }
            Self::AlreadyRetried { .. } => {
                return Some("look at that job, or retry this one once more with --again");
            }
            Self::NoInput(_) | Self::InputTooLarge { .. } => {
                return Some("let its client create the job again");
            }
        };
        is_access_denied(cause).then_some(
            "give your credentials the permission that AWS names; the policies are in \
             docs/operate/jobs.md",
        )
    }
}
