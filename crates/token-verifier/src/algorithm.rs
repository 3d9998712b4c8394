//! The signature algorithms.

use std::fmt;

/// A signature algorithm. Each type of key has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Whether `name` is a name of this algorithm in a header or a key. RFC 9864 names `EdDSA` on its curve `Ed25519`.
    pub(crate) fn is_named(self, name: &str) -> bool {
        match self {
            Self::EdDsa => name == "EdDSA" || name == "Ed25519",
            Self::Es256 => name == "ES256",
            Self::Rs256 => name == "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        })
    }
}
