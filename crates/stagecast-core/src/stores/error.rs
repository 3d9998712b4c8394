//! Errors of tables and of the bucket, and which of them are transient conflicts.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::query::builders::QueryFluentBuilder,
    types::CancellationReason,
};
use aws_smithy_types::error::operation::BuildError;
use granted_aws::Item;

use crate::models::InvalidItem;

/// A call to a table or to the bucket failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// AWS refused the call or could not be reached.
    #[error("{operation} failed: {cause}")]
    Call {
        /// What the call does, in words: `reading the job`.
        operation: &'static str,
        /// The error of AWS or of the network.
        cause: String,
    },
    /// An item is not valid.
    #[error(transparent)]
    Item(#[from] InvalidItem),
}

impl StoreError {
    pub(super) fn call(operation: &'static str) -> impl FnOnce(String) -> Self {
        move |cause| Self::Call { operation, cause }
    }

    /// The error of a call of the SDK.
    pub(super) fn of<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        move |error| Self::Call {
            operation,
            cause: DisplayErrorContext(error).to_string(),
        }
    }
}

impl StoreError {
    /// The error of a call to S3, whose SDK has an error type of another version.
    pub(super) fn of_s3<E>(
        operation: &'static str,
    ) -> impl FnOnce(aws_sdk_s3::error::SdkError<E>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        move |error| Self::Call {
            operation,
            cause: DisplayErrorContext(error).to_string(),
        }
    }
}

impl From<BuildError> for StoreError {
    fn from(error: BuildError) -> Self {
        Self::Call {
            operation: "building a request",
            cause: error.to_string(),
        }
    }
}

/// The response to a conditional write; none when its condition did not hold.
pub(super) fn condition_met<T, E>(
    operation: &'static str,
    answer: Result<T, SdkError<E>>,
) -> Result<Option<T>, StoreError>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if code_of(&error) == Some("ConditionalCheckFailedException") => Ok(None),
        Err(error) => Err(StoreError::of(operation)(error)),
    }
}

/// All items of a query, read consistently page by page.
pub(super) async fn all_items(
    operation: &'static str,
    query: QueryFluentBuilder,
) -> Result<Vec<Item>, StoreError> {
    query
        .consistent_read(true)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(StoreError::of(operation))
}

fn code_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
}

/// Whether a write conflicted with a transaction on the same item. The SDK does not retry that.
pub(super) fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    code_of(error) == Some("TransactionConflictException")
}

/// Whether a transaction was cancelled because of other writers or of throttling. The SDK does not retry
/// that.
pub(super) fn is_contended(reasons: &[CancellationReason]) -> bool {
    const CONTENTION_CODES: [&str; 3] = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    let mut codes = reasons.iter().filter_map(CancellationReason::code);
    codes.any(|code| CONTENTION_CODES.contains(&code))
}
