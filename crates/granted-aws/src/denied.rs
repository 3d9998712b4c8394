//! Recognizes errors that are caused by a missing permission.

/// The error codes of AWS services for a call that no policy allows, or that a policy denies.
const CODES: [&str; 3] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
];

/// Whether a call failed because a permission is missing, so that a retry does not help. `cause` is the
/// error as the SDK's `DisplayErrorContext` formats it.
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
    fn only_missing_permissions_are_recognized() {
        for code in CODES {
            assert!(is_access_denied(&cause(code)), "{code}");
        }
        for code in ["InternalServerError", "ThrottlingException", "NoSuchKey"] {
            assert!(!is_access_denied(&cause(code)), "{code}");
        }
    }
}
