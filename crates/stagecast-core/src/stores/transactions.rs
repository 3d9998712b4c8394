//! Why transactions are cancelled.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        transact_get_items::TransactGetItemsError, transact_write_items::TransactWriteItemsError,
    },
    types::CancellationReason,
};

use super::{StoreError, error::is_contended};

/// Why a transaction was cancelled.
pub(super) enum CancelledTransaction {
    /// A condition did not hold.
    Condition,
    /// Another request writes to one of the items, or writes are throttled.
    Contended,
    /// Another error, which is not retried.
    Failed(StoreError),
}

/// The error of `operation` after the last retry of [`CancelledTransaction::Contended`].
pub(super) fn contended(operation: &'static str) -> StoreError {
    StoreError::call(operation)("too many requests write the same items at once".to_owned())
}

/// Whether a transaction of reads failed only because of concurrent writes.
pub(super) fn is_read_conflict(error: &SdkError<TransactGetItemsError>) -> bool {
    match error.as_service_error() {
        Some(TransactGetItemsError::TransactionCanceledException(cancelled)) => {
            is_contended(cancelled.cancellation_reasons())
        }
        _ => false,
    }
}

/// Why a transaction of writes failed.
pub(super) fn cancellation_cause(
    operation: &'static str,
    error: SdkError<TransactWriteItemsError>,
) -> CancelledTransaction {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return CancelledTransaction::Failed(StoreError::of(operation)(error));
    };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<_> = reasons
        .iter()
        .filter_map(CancellationReason::code)
        .collect();
    if codes.contains(&"ConditionalCheckFailed") {
        CancelledTransaction::Condition
    } else if is_contended(reasons) {
        CancelledTransaction::Contended
    } else {
        CancelledTransaction::Failed(StoreError::call(operation)(codes.join(", ")))
    }
}
