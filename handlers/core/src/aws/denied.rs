//! Telling a missing permission from an outage.

/// The error codes with which AWS services refuse a call that no policy allows, or that one denies.
const CODES: [&str; 3] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
];

/// Whether the cause of a failed call, as the SDK's `DisplayErrorContext` describes it, is a missing
/// permission. Another attempt does not help then, unlike after an outage.
pub fn is_access_denied(cause: &str) -> bool {
    let named = |code: &str| {
        cause.contains(&format!("({code})")) || cause.contains(&format!("code: Some(\"{code}\")"))
    };
    CODES.into_iter().any(named)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        error::{DisplayErrorContext, ErrorMetadata, SdkError},
        operation::get_item::GetItemError,
    };

    use super::*;

    fn cause(code: &str) -> String {
        let metadata = ErrorMetadata::builder().code(code).message("no").build();
        let error: SdkError<GetItemError, ()> =
            SdkError::service_error(GetItemError::generic(metadata), ());
        DisplayErrorContext(error).to_string()
    }

    #[test]
    fn missing_permissions_are_told_from_other_errors() {
        for code in CODES {
            assert!(is_access_denied(&cause(code)), "{code}");
        }
        for code in ["InternalServerError", "ThrottlingException", "NoSuchKey"] {
            assert!(!is_access_denied(&cause(code)), "{code}");
        }
    }
}
