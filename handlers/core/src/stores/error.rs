//! What can go wrong with a table or the bucket, and what passes by itself.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::query::builders::QueryFluentBuilder,
    types::CancellationReason,
};
use aws_smithy_types::error::operation::BuildError;

use crate::{aws::Item, models::InvalidItem};

/// A call to a table or to the bucket failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// AWS refused the call, or could not be reached.
    #[error("{operation} failed: {cause}")]
    Call {
        /// What was tried, in words.
        operation: &'static str,
        /// What was answered.
        cause: String,
    },
    /// An item is not what it should be.
    #[error(transparent)]
    Item(#[from] InvalidItem),
}

impl StoreError {
    pub(super) fn call(operation: &'static str) -> impl FnOnce(String) -> Self {
        move |cause| Self::Call { operation, cause }
    }

    /// The failure of a call that the SDK made.
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

impl From<BuildError> for StoreError {
    fn from(error: BuildError) -> Self {
        Self::Call {
            operation: "putting a request together",
            cause: error.to_string(),
        }
    }
}

/// The answer to a conditional write; none when its condition did not hold.
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

/// Every item that a query finds, page by page, as they are now.
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

/// A write met a transaction at its item; DynamoDB refuses one of them and the SDK does not try again.
pub(super) fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    code_of(error) == Some("TransactionConflictException")
}

/// Whether a transaction was cancelled because it met another writer, or too many of them: the SDK
/// does not try that again.
pub(super) fn is_contended(reasons: &[CancellationReason]) -> bool {
    const CONTENTION_CODES: [&str; 3] = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    let mut codes = reasons.iter().filter_map(CancellationReason::code);
    codes.any(|code| CONTENTION_CODES.contains(&code))
}
