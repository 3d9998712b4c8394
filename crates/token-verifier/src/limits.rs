//! Limits of tokens and sets of keys.

/// The largest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The largest JWKS document, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// The largest number of keys in a JWKS document.
pub const MAX_KEYS: usize = 100;

/// How far the clock of the issuer may be ahead or behind, in seconds.
pub const LEEWAY_SECONDS: i64 = 30;
