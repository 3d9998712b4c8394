//! The idempotency key of a creation.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use sha2::{Digest as _, Sha256};
use stagecast_contract::{
    http::{HttpErrorCode, IDEMPOTENCY_HEADER},
    limits::{MAX_IDEMPOTENCY_KEY_BYTES, MIN_IDEMPOTENCY_KEY_BYTES},
};
use stagecast_core::{hash::hex, http::ApiError, models::Creation};

use crate::runner::Runner;

/// The key in the request's header `Idempotency-Key`, if it has one.
pub(crate) fn key_of(request: &ApiGatewayV2httpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(None);
    };
    // The draft's syntax is a string in double quotes; most services take it without them as well.
    let text = value.to_str().unwrap_or_default().trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let has_valid_length =
        (MIN_IDEMPOTENCY_KEY_BYTES..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len());
    if has_valid_length && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(text.to_owned()));
    }
    let error = ApiError::new(
        HttpErrorCode::InvalidIdempotencyKey,
        format!(
            "the Idempotency-Key has {} characters or invalid ones; send \
             {MIN_IDEMPOTENCY_KEY_BYTES} to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters \
             that cannot be guessed, such as a new UUID",
            text.len()
        ),
    );
    Err(error.with("header", IDEMPOTENCY_HEADER))
}

/// The SHA-256 of what a request asks for.
pub(crate) fn request_sha256(runner: &Runner, content_type: &str, bytes: &[u8]) -> String {
    // Each part ends where the next begins: neither of the first two contains a NUL.
    let digest = Sha256::new()
        .chain_update(runner.fingerprint().as_bytes())
        .chain_update([0])
        .chain_update(content_type)
        .chain_update([0])
        .chain_update(bytes)
        .finalize();
    hex(&digest)
}

/// The SHA-256 of what an owner asks for, so that no owner gets the job of another one by its idempotency key.
pub(crate) fn of_owner(request_sha256: &str, owner: &str) -> String {
    let digest = Sha256::new()
        .chain_update(request_sha256)
        .chain_update([0])
        .chain_update(owner)
        .finalize();
    hex(&digest)
}

/// Refuses a request that differs from the one that has used its idempotency key.
pub(crate) fn require_same_request(
    creation: &Creation,
    request_sha256: &str,
) -> Result<(), ApiError> {
    if creation.request_sha256 == request_sha256 {
        return Ok(());
    }
    let error = ApiError::new(
        HttpErrorCode::IdempotencyKeyReused,
        "the Idempotency-Key was used in the last 24 hours for a request with another body, \
         content-type, worker, queue or priority; repeat a request without changes, or send a new key",
    );
    Err(error.with("header", IDEMPOTENCY_HEADER))
}
