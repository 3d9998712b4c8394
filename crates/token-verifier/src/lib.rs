#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod algorithm;
mod error;
mod jwk;
mod key_cache;
mod key_set;
mod limits;
mod verify;

pub use algorithm::Algorithm;
pub use error::{KeySetError, TokenError, UnusableKey};
pub use key_cache::{KeyCache, Lookup};
pub use key_set::{IgnoredKey, KeySet};
pub use limits::{LEEWAY_SECONDS, MAX_KEY_SET_BYTES, MAX_KEYS, MAX_TOKEN_BYTES};
pub use verify::{Expected, Unverified, Verified, verify};
