//! Why a token, a key or a set of keys is refused.

use crate::limits::{LEEWAY_SECONDS, MAX_KEY_SET_BYTES, MAX_KEYS, MAX_TOKEN_BYTES};

/// Why a token is refused. The text contains nothing of the token and of the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token has more than [`MAX_TOKEN_BYTES`].
    #[error("the token has more than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// This part of the token is not what it has to be: `token`, `header`, `claims` or `signature`.
    #[error(
        "the {0} is malformed: a token is three parts of base64url with dots between them, header and claims are JSON"
    )]
    Malformed(&'static str),
    /// The header has `crit`.
    #[error("the token requires an extension (`crit`), and none is supported")]
    CriticalExtension,
    /// The header has no `kid`, and there is more than one key.
    #[error("the header has no `kid`, which selects one of several keys")]
    KeyIdMissing,
    /// No key has the `kid` of the header.
    #[error("no key has the `kid` of the token; the key may have been replaced")]
    UnknownKey,
    /// The header's `alg` is not that of the key.
    #[error("the `alg` of the header is not the algorithm of its key")]
    AlgorithmMismatch,
    /// The key did not sign the token.
    #[error("the signature is wrong")]
    InvalidSignature,
    /// A required claim is missing.
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    /// The token is not for the expected audience.
    #[error("the claim `aud` names another audience")]
    WrongAudience,
    /// The token is not of the expected issuer.
    #[error("the claim `iss` names another issuer")]
    WrongIssuer,
    /// `exp` is more than [`LEEWAY_SECONDS`] ago.
    #[error("the token has expired (`exp`, with a leeway of {LEEWAY_SECONDS} seconds)")]
    Expired,
    /// `nbf` is more than [`LEEWAY_SECONDS`] ahead.
    #[error("the token is not valid yet (`nbf`, with a leeway of {LEEWAY_SECONDS} seconds)")]
    NotYetValid,
}

impl TokenError {
    /// The name of the error, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed(_) => "malformed",
            Self::CriticalExtension => "critical_extension",
            Self::KeyIdMissing => "key_id_missing",
            Self::UnknownKey => "unknown_key",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::InvalidSignature => "invalid_signature",
            Self::MissingClaim(_) => "missing_claim",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
        }
    }
}

/// Why a key of a set is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableKey {
    /// The type or the curve is not one of those that are supported.
    #[error("its type is none of OKP with Ed25519, EC with P-256, and RSA")]
    Type,
    /// A member is missing, not base64url, or of the wrong length.
    #[error("its member `{0}` is missing or invalid")]
    Member(&'static str),
    /// An RSA key has fewer than 2,048 or more than 8,192 bits.
    #[error("it has {0} bits; an RSA key has 2048 to 8192")]
    RsaBits(usize),
    /// The exponent of an RSA key is even or less than 65,537.
    #[error("its exponent is even or less than 65537")]
    RsaExponent,
    /// `use` or `key_ops` do not include the verification of signatures.
    #[error("it is not for the verification of signatures")]
    Use,
    /// `alg` is not the algorithm of the key's type.
    #[error("its `alg` is none of EdDSA, ES256 and RS256, or that of another type of key")]
    Algorithm,
}

/// Why a document is not used as a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// The document has more than [`MAX_KEY_SET_BYTES`].
    #[error("the key set has {0} bytes, and may have {MAX_KEY_SET_BYTES}")]
    TooLarge(usize),
    /// The document has more than [`MAX_KEYS`].
    #[error("the key set has {0} keys, and may have {MAX_KEYS}")]
    TooManyKeys(usize),
    /// The document is not a JWKS document.
    #[error("the key set is no JWKS document, {{\"keys\": […]}}: {0}")]
    Malformed(String),
    /// A key is private or symmetric.
    #[error(
        "key {0} of the key set is private or symmetric: a document of public keys has no `d` and no `k`. Replace \
         this key, which is not secret any more, and list the public one"
    )]
    SecretKey(usize),
    /// Two keys have the same `kid`.
    #[error("two keys of the key set have the `kid` '{0}'; each needs its own")]
    DuplicateKeyId(String),
    /// A set of several keys has keys without `kid`.
    #[error("key {0} of the key set has no `kid`, which tokens need to select one of several keys")]
    KeyIdMissing(usize),
    /// No key can be used. The reason is that of the first key, if there is one.
    #[error("the key set has no usable key{}", first_reason(.0.as_ref()))]
    NoUsableKey(Option<UnusableKey>),
}

fn first_reason(reason: Option<&UnusableKey>) -> String {
    reason.map_or_else(String::new, |reason| {
        format!("; of the first one, {reason}")
    })
}
