//! A key of a JWKS document.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

use crate::{algorithm::Algorithm, error::UnusableKey};

/// The lowest exponent of an RSA key.
const MIN_RSA_EXPONENT: u64 = 65_537;
/// Bytes of an Ed25519 key, and of a coordinate on P-256.
const COORDINATE_BYTES: usize = 32;

/// The members of a JSON Web Key that are read.
#[derive(Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    pub(crate) kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde_json::Value>,
    k: Option<serde_json::Value>,
}

impl Jwk {
    /// Whether the key is private or symmetric.
    pub(crate) fn is_secret(&self) -> bool {
        self.kty == "oct" || self.d.is_some() || self.k.is_some()
    }
}

/// A public key that can be used.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519(Vec<u8>),
    /// The uncompressed point.
    P256(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl PublicKey {
    pub(crate) fn of(jwk: &Jwk) -> Result<Self, UnusableKey> {
        let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        let operations = jwk.key_ops.as_ref();
        let verifies = operations.is_none_or(|them| them.iter().any(|it| it == "verify"));
        if !is_for_signatures || !verifies {
            return Err(UnusableKey::Use);
        }
        let key = match (&*jwk.kty, jwk.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Self::Ed25519(coordinate("x", jwk.x.as_deref())?),
            ("EC", Some("P-256")) => {
                let mut point = vec![4];
                point.extend(coordinate("x", jwk.x.as_deref())?);
                point.extend(coordinate("y", jwk.y.as_deref())?);
                Self::P256(point)
            }
            ("RSA", _) => rsa(jwk)?,
            _ => return Err(UnusableKey::Type),
        };
        let algorithm = key.algorithm();
        let declared = jwk.alg.as_deref();
        if declared.is_some_and(|name| !algorithm.is_named(name)) {
            return Err(UnusableKey::Algorithm);
        }
        Ok(key)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Whether the key has signed `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        verified.is_ok()
    }
}

fn rsa(jwk: &Jwk) -> Result<PublicKey, UnusableKey> {
    let n = unsigned("n", jwk.n.as_deref())?;
    let e = unsigned("e", jwk.e.as_deref())?;
    let first = n.first().copied().unwrap_or_default();
    let bits = (n.len() * 8).saturating_sub(first.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(UnusableKey::RsaBits(bits));
    }
    if e.len() > size_of::<u64>() {
        return Err(UnusableKey::Member("e"));
    }
    let exponent = e.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    if exponent < MIN_RSA_EXPONENT || exponent % 2 == 0 {
        return Err(UnusableKey::RsaExponent);
    }
    Ok(PublicKey::Rsa { n, e })
}

fn bytes(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, UnusableKey> {
    let text = text.ok_or(UnusableKey::Member(name))?;
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| UnusableKey::Member(name))
}

fn coordinate(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, UnusableKey> {
    let bytes = bytes(name, text)?;
    let has_length = bytes.len() == COORDINATE_BYTES;
    has_length.then_some(bytes).ok_or(UnusableKey::Member(name))
}

/// An unsigned number without leading zeros, as ring expects it. Some issuers write one.
fn unsigned(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, UnusableKey> {
    let mut bytes = bytes(name, text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}
