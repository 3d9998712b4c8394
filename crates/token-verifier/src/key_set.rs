//! A set of public keys.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    algorithm::Algorithm,
    error::{KeySetError, TokenError, UnusableKey},
    jwk::{Jwk, PublicKey},
    limits::{MAX_KEY_SET_BYTES, MAX_KEYS},
};

/// The usable public keys of a JWKS document.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
    ignored: Vec<IgnoredKey>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) public: PublicKey,
}

/// A key of the document that is not used, as RFC 7517 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredKey {
    /// The position in the document, from 0.
    pub index: usize,
    /// The `kid`.
    pub id: Option<String>,
    /// Why it is not used.
    pub reason: UnusableKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Map<String, Value>>,
}

impl KeySet {
    /// The keys of a JWKS document, `{"keys": […]}`. Keys for other purposes and of other types are ignored. A
    /// document without a usable key is refused, and one with a private or symmetric key.
    pub fn parse(document: &str) -> Result<Self, KeySetError> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge(document.len()));
        }
        let malformed = |error: serde_json::Error| KeySetError::Malformed(error.to_string());
        let document: Document = serde_json::from_str(document).map_err(malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys(document.keys.len()));
        }
        let mut set = Self {
            keys: Vec::new(),
            ignored: Vec::new(),
        };
        for (index, key) in document.keys.into_iter().enumerate() {
            let jwk: Jwk = serde_json::from_value(key.into()).map_err(malformed)?;
            if jwk.is_secret() {
                return Err(KeySetError::SecretKey(index));
            }
            match PublicKey::of(&jwk) {
                Ok(public) => set.add(jwk.kid, public)?,
                Err(reason) => set.ignored.push(IgnoredKey {
                    index,
                    id: jwk.kid,
                    reason,
                }),
            }
        }
        let unnamed = set.keys.iter().position(|key| key.id.is_none());
        match (set.keys.len(), unnamed) {
            (0, _) => {
                let first = set.ignored.into_iter().next();
                Err(KeySetError::NoUsableKey(first.map(|key| key.reason)))
            }
            (2.., Some(index)) => Err(KeySetError::KeyIdMissing(index)),
            _ => Ok(set),
        }
    }

    fn add(&mut self, id: Option<String>, public: PublicKey) -> Result<(), KeySetError> {
        if let Some(id) = &id
            && self.keys.iter().any(|key| key.id.as_ref() == Some(id))
        {
            return Err(KeySetError::DuplicateKeyId(id.clone()));
        }
        self.keys.push(Key { id, public });
        Ok(())
    }

    /// The algorithms of the keys, in the order of the document.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.keys.iter().map(|key| key.public.algorithm())
    }

    /// The keys of the document that are not used.
    pub fn ignored(&self) -> &[IgnoredKey] {
        &self.ignored
    }

    /// Whether a key has this `kid`.
    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    pub(crate) fn select(&self, id: Option<&str>) -> Result<&Key, TokenError> {
        match (id, &*self.keys) {
            (None, [only]) => Ok(only),
            (None, _) => Err(TokenError::KeyIdMissing),
            (Some(id), keys) => {
                let mut keys = keys.iter();
                let key = keys.find(|key| key.id.as_deref() == Some(id));
                key.ok_or(TokenError::UnknownKey)
            }
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter();
        let keys = keys.map(|key| (key.id.as_deref(), key.public.algorithm()));
        formatter.debug_list().entries(keys).finish()
    }
}
