//! The verification of a token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::TokenError,
    key_set::KeySet,
    limits::{LEEWAY_SECONDS, MAX_TOKEN_BYTES},
};

/// What a token has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The value of `aud`, or one of its values.
    pub audience: &'a str,
    /// The value of `iss`; not checked if there is none.
    pub issuer: Option<&'a str>,
}

/// A token that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    /// The claims as the caller's type.
    pub claims: T,
    /// `exp`, in epoch seconds. The token is accepted for [`LEEWAY_SECONDS`] longer.
    pub expires_at: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<Value>,
}

/// The claims that are checked. The other ones are the caller's.
#[derive(Deserialize)]
struct RegisteredClaims {
    #[serde(default, deserialize_with = "present")]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    iss: Option<String>,
}

/// A value that may be absent, but not null: a null `nbf` would otherwise be no `nbf`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn includes(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// A token that was decoded. Nothing in it is verified yet.
pub struct Unverified<'a> {
    signed: &'a str,
    header: Header,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Decodes a token.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(TokenError::Malformed("token"));
        };
        let signed = &token[..header.len() + 1 + claims.len()];
        let header: Header = read(&decode("header", header)?, "header")?;
        if header.crit.is_some() {
            return Err(TokenError::CriticalExtension);
        }
        Ok(Self {
            signed,
            header,
            claims: decode("claims", claims)?,
            signature: decode("signature", signature)?,
        })
    }

    /// The `kid` of the header, which selects the key. Anyone can write one: use it for nothing else.
    pub fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Verifies the token at `now`, in epoch seconds, and reads its claims as `T`.
    ///
    /// `T` is read from the same bytes as `exp` and `aud`. Claims that do not fit it are [`TokenError::Malformed`].
    pub fn verify<T: DeserializeOwned>(
        &self,
        keys: &KeySet,
        expected: &Expected<'_>,
        now: i64,
    ) -> Result<Verified<T>, TokenError> {
        let key = &keys.select(self.key_id())?.public;
        if !key.algorithm().is_named(&self.header.alg) {
            return Err(TokenError::AlgorithmMismatch);
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(TokenError::InvalidSignature);
        }
        let expires_at = check(&read(&self.claims, "claims")?, expected, now)?;
        Ok(Verified {
            claims: read(&self.claims, "claims")?,
            expires_at,
        })
    }
}

/// Decodes and verifies `token` at `now`, in epoch seconds: [`Unverified::parse`], then [`Unverified::verify`].
pub fn verify<T: DeserializeOwned>(
    token: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
    now: i64,
) -> Result<Verified<T>, TokenError> {
    Unverified::parse(token)?.verify(keys, expected, now)
}

/// Checks the registered claims, and returns `exp`.
fn check(claims: &RegisteredClaims, expected: &Expected<'_>, now: i64) -> Result<i64, TokenError> {
    let audience = claims.aud.as_ref().ok_or(TokenError::MissingClaim("aud"))?;
    if !audience.includes(expected.audience) {
        return Err(TokenError::WrongAudience);
    }
    if let Some(issuer) = expected.issuer {
        let claimed = claims.iss.as_ref().ok_or(TokenError::MissingClaim("iss"))?;
        if claimed != issuer {
            return Err(TokenError::WrongIssuer);
        }
    }
    let expires_at = seconds(claims.exp.ok_or(TokenError::MissingClaim("exp"))?);
    if now >= expires_at.saturating_add(LEEWAY_SECONDS) {
        return Err(TokenError::Expired);
    }
    let begins_at = claims.nbf.map_or(i64::MIN, seconds);
    if now < begins_at.saturating_sub(LEEWAY_SECONDS) {
        return Err(TokenError::NotYetValid);
    }
    Ok(expires_at)
}

/// Whole seconds of a `NumericDate`, which may have a fraction.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn seconds(date: f64) -> i64 {
    date.floor() as i64
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| TokenError::Malformed(part))
}

fn read<T: DeserializeOwned>(bytes: &[u8], part: &'static str) -> Result<T, TokenError> {
    // serde would read a list as the fields of a struct, too.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(TokenError::Malformed(part));
    }
    serde_json::from_slice(bytes).map_err(|_| TokenError::Malformed(part))
}
