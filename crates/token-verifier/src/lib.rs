#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod algorithm;
mod error;
mod jwk;
mod key_set;
mod verify;

pub use algorithm::Algorithm;
pub use error::{KeySetError, TokenError, UnusableKey};
pub use key_set::{IgnoredKey, KeySet, MAX_KEY_SET_BYTES};
pub use verify::{Expected, LEEWAY_SECONDS, MAX_TOKEN_BYTES, Verified, verify};
